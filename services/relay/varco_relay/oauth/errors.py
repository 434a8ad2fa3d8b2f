"""Why there is no token. Both texts are the provider's words, and hold no secret."""


class TokenRefused(Exception):
    """The provider gives no token to this client. `code` is the error of RFC 6749 5.2."""

    def __init__(self, code: str, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(f"{code}: {description}" if description and code not in description else description or code)


class TokenUnavailable(Exception):
    """The token endpoint cannot be asked now. `retry_after` is in seconds; 0: not said."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        self.retry_after = retry_after
        super().__init__(reason)
