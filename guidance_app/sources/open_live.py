"""Open the live source that a URI names."""

from __future__ import annotations

import ssl

from calibration.errors import InputError
from guidance_app.sources.live_uris import CaptureUri, DicomUri, IgtlUri
from guidance_app.sources.source import FrameSource


def open_live(uri: DicomUri | IgtlUri | CaptureUri) -> FrameSource:
    """The source, listening or connecting already.

    Raises:
        InputError: a port that is taken, a device that is not there, a file that cannot be used.
    """
    # Each brings its own network or video library; only the one asked for is loaded.
    if isinstance(uri, DicomUri):
        from guidance_app.sources.dicom.dicom_server import Admission
        from guidance_app.sources.dicom.dicom_source import DicomSource

        admission = Admission(aet=uri.aet, calling=uri.calling, peers=uri.peers)
        return DicomSource(host=uri.host, port=uri.port, admission=admission, tls=_server_tls(uri))
    if isinstance(uri, IgtlUri):
        from guidance_app.sources.igtl.igtl_source import IgtlSource

        return IgtlSource(host=uri.host, port=uri.port, listen=uri.listen, device=uri.device)
    from guidance_app.sources.capture.capture_source import CaptureSource

    return CaptureSource(uri)


def _server_tls(uri: DicomUri) -> ssl.SSLContext | None:
    """Server side TLS; with `tls_ca`, peers must show a certificate of that authority."""
    if uri.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(uri.tls_cert, uri.tls_key, password=lambda: "")
        if uri.tls_ca is not None:
            context.load_verify_locations(uri.tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        files = ", ".join(str(path) for path in (uri.tls_cert, uri.tls_key, uri.tls_ca) if path is not None)
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        raise InputError(f"{files}: cannot be used for TLS ({reason}); give PEM files without a password") from error
    return context
