"""Why a TLS handshake failed, in the words of RFC 8460 4.3."""

import ssl

from varco_relay.smtp.tls_session import TlsResult

_EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 10, 62, 64  # X509_V_ERR_* of OpenSSL
_UNTRUSTED = (2, 18, 19, 20, 21, 27)


def result_of(error: BaseException | None) -> TlsResult:
    """The type of a failed handshake."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return TlsResult.VALIDATION_FAILURE
    code = error.verify_code
    if code == _EXPIRED:
        return TlsResult.EXPIRED
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return TlsResult.HOST_MISMATCH
    return TlsResult.NOT_TRUSTED if code in _UNTRUSTED else TlsResult.VALIDATION_FAILURE
