"""A route with its secrets decrypted: what a connection is made with."""

from varco_common.events import Smarthost
from varco_relay.oauth.credentials import OAuthCredentials, OAuthSecrets
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.target import SmtpTarget


def open_target(route: Smarthost, secret_box: SecretBox) -> SmtpTarget:
    """Raises TransientError for secrets of another key: the route must be set again."""
    password = secret_box.decrypt(route.secret) if route.secret else ""
    credentials = None
    if oauth := route.oauth:
        secrets = OAuthSecrets.from_text(secret_box.decrypt(oauth.secret)) if oauth.secret else OAuthSecrets()
        credentials = OAuthCredentials.of(oauth, route.login, secrets)
    return SmtpTarget.of(route, password, credentials)
