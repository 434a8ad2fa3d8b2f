"""The list of all pages. A new page is a line here, and two if the menu shows it."""

from varco_console.html_pages.overview.routes import routes as overview
from varco_console.html_pages.sign_in.routes import routes as sign_in
from varco_console.web.access import ALL_ROLES
from varco_console.web.rendering import NavigationEntry

PAGES = (sign_in, overview)
NAVIGATION = (NavigationEntry("/", "nav_overview", ALL_ROLES),)
