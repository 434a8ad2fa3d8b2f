"""The list of all pages. A new page is a line here, and two if the menu shows it."""

from varco_console.html_pages.account.routes import routes as account
from varco_console.html_pages.audit.routes import routes as audit
from varco_console.html_pages.bans.routes import routes as bans
from varco_console.html_pages.copies.routes import routes as copies
from varco_console.html_pages.events.routes import routes as events
from varco_console.html_pages.find_mail.routes import routes as find_mail
from varco_console.html_pages.history.routes import routes as history
from varco_console.html_pages.limits.routes import routes as limits
from varco_console.html_pages.links.routes import routes as links
from varco_console.html_pages.mail.routes import routes as mail
from varco_console.html_pages.oidc.routes import routes as oidc
from varco_console.html_pages.overview.routes import routes as overview
from varco_console.html_pages.people.routes import routes as people
from varco_console.html_pages.queue.routes import routes as queue
from varco_console.html_pages.senders.routes import routes as senders
from varco_console.html_pages.sign_in.routes import routes as sign_in
from varco_console.html_pages.tokens.routes import routes as tokens
from varco_console.web.access import ALL_ROLES, SEES_ALL
from varco_console.web.rendering import NavigationEntry

PAGES = (
    sign_in,
    oidc,
    overview,
    find_mail,
    mail,
    queue,
    bans,
    links,
    copies,
    account,
    senders,
    limits,
    history,
    people,
    tokens,
    audit,
    events,
)
NAVIGATION = (
    NavigationEntry("/", "nav_overview", ALL_ROLES),
    NavigationEntry("/mails", "nav_mails", ALL_ROLES),
    NavigationEntry("/queue", "nav_queue", ALL_ROLES),
    NavigationEntry("/bans", "nav_bans", ALL_ROLES),
    NavigationEntry("/links", "nav_links", ALL_ROLES),
    NavigationEntry("/copies", "nav_copies", ALL_ROLES),
    NavigationEntry("/accounts", "nav_accounts", ALL_ROLES),
    NavigationEntry("/senders", "nav_senders", ALL_ROLES),
    NavigationEntry("/limits", "nav_limits", ALL_ROLES),
    NavigationEntry("/audit", "nav_audit", SEES_ALL),
    NavigationEntry("/events", "nav_events", ALL_ROLES),
    NavigationEntry("/people", "nav_people", SEES_ALL),
    NavigationEntry("/tokens", "nav_tokens", ALL_ROLES),
)
