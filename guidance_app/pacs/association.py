"""One association with an archive. It is closed whatever happens."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from calibration.errors import GuidanceError, InputError
from guidance_app.pacs.address import PacsAddress
from guidance_app.pacs.closing import CLOSED_SURELY

_MAX_PDU_BYTES = 256 * 1024


class PacsError(InputError):
    """The archive could not be reached, refused, or did not do what was asked; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacsLimits:
    """What an archive may take of our time and disk.

    Args:
        answer_s: longest silence while an answer is due.
    """

    connect_s: float = 10.0
    answer_s: float = 60.0
    max_answers: int = 2000
    max_instances: int = 20_000
    max_object_bytes: int = 512 * 1024**2
    max_total_bytes: int = 16 * 1024**3


def application_entity(address: PacsAddress, limits: PacsLimits) -> AE:
    # pynetdicom's own log holds names and identifiers of what is sent.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    _config.LOG_HANDLER_LEVEL = "none"
    ae = AE(ae_title=address.calling)
    ae.connection_timeout = limits.connect_s
    ae.acse_timeout = limits.connect_s
    ae.dimse_timeout = limits.answer_s
    ae.network_timeout = limits.answer_s
    ae.maximum_pdu_size = _MAX_PDU_BYTES
    return ae


@contextmanager
def associated(
    address: PacsAddress,
    limits: PacsLimits,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
) -> Iterator[Association]:
    """An accepted association; released at the end, aborted on any error.

    Raises:
        PacsError: nobody answers there, or the archive refuses us.
    """
    _require_open_port(address, limits)
    ae = application_entity(address, limits)
    association = ae.associate(
        address.host,
        address.port,
        contexts=list(contexts),
        ae_title=address.aet,
        max_pdu=_MAX_PDU_BYTES,
        ext_neg=list(roles) or None,
        evt_handlers=[CLOSED_SURELY, *handlers],
    )
    if not association.is_established:
        raise PacsError(_why_not(association, address))
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    finally:
        if association.is_established:
            association.release()
        association.join(limits.connect_s)
        ae.shutdown()


def require_context(association: Association, address: PacsAddress, uid: str, what: str) -> None:
    """Raises PacsError where the archive does not offer this service."""
    if not any(context.abstract_syntax == uid for context in association.accepted_contexts):
        raise PacsError(f"{address}: the archive does not offer {what} to {address.calling}; ask its administrator")


def status_of(answer: Dataset, address: PacsAddress, what: str) -> int:
    """Status code of an answer. Raises PacsError where none came."""
    if "Status" not in answer:
        raise PacsError(f"{address}: no answer to {what} in time, or the connection was cut; try again")
    return int(answer.Status)


def failed(address: PacsAddress, what: str, status: int) -> GuidanceError:
    # The archive's error comment may name the patient; only its code is passed on.
    return PacsError(f"{address}: {what} failed with status 0x{status:04X}; see the archive's log")


def _require_open_port(address: PacsAddress, limits: PacsLimits) -> None:
    """pynetdicom does not say why it cannot connect, and leaves a socket behind."""
    try:
        socket.create_connection((address.host, address.port), timeout=limits.connect_s).close()
    except OSError as error:
        raise PacsError(
            f"{address}: no archive answers there ({error.strerror or error}); check host and port, and that it runs"
        ) from error


def _why_not(association: Association, address: PacsAddress) -> str:
    if association.is_rejected:
        rejected = association.acceptor.primitive
        reason = getattr(rejected, "reason_str", "") if rejected is not None else ""
        return (
            f"{address}: the archive refused us ({reason or 'no reason given'}); check aet={address.aet}, and that it "
            f"knows calling={address.calling}"
        )
    if association.is_aborted and association.acceptor.primitive is not None:
        return f"{address}: the archive ended the conversation; check aet={address.aet} and calling={address.calling}"
    return f"{address}: no archive answers there; check host and port, and that it runs"
