"""Operations on the certificates that endpoints verify a server by."""

import re
from datetime import UTC, datetime

from sandbox.dms.call import Call
from sandbox.dms.filters import page, select
from sandbox.dms.protocol import INVALID, STATE, Fault, Json
from sandbox.dms.store import GONE, Kind, Lifecycle, Record, identifier

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def import_certificate(call: Call) -> Json:
    """Keep a certificate."""
    request = call.request
    if not PEM.search(request.get("CertificatePem", "")):
        raise Fault(INVALID, "CertificatePem holds no certificate in PEM format")
    name = identifier("CertificateIdentifier", request["CertificateIdentifier"])
    body = {"CertificatePem": request["CertificatePem"], "CertificateCreationDate": datetime.now(UTC)}
    record = call.store.add(Kind.CERTIFICATE, name, body, Lifecycle("available"), request.get("Tags", []))
    return {"Certificate": _certificate(record)}


def describe_certificates(call: Call) -> Json:
    """Show certificates."""
    readers = {"certificate-arn": lambda record: record.arn, "certificate-id": lambda record: record.name}
    found = select(call.store.all(Kind.CERTIFICATE), call.request.get("Filters", []), readers, "certificates")
    shown, marker = page([_certificate(record) for record in found], call.request)
    return {"Certificates": shown, **marker}


def delete_certificate(call: Call) -> Json:
    """Delete a certificate that no endpoint verifies by."""
    record = call.store.get(Kind.CERTIFICATE, call.request["CertificateArn"])
    users = [one.name for one in call.store.all(Kind.ENDPOINT) if one.body.get("CertificateArn") == record.arn]
    if users:
        raise Fault(STATE, f"Certificate {record.arn} is used by endpoints: {', '.join(users)}.")
    record.lifecycle.set(GONE)
    return {"Certificate": _certificate(record)}


def _certificate(record: Record) -> Json:
    return {"CertificateIdentifier": record.name, "CertificateArn": record.arn, **record.body}
