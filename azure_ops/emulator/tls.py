"""The emulator's own certificate authority and its server certificate, kept in the state directory."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_YEARS = 5
LEAF_DAYS = 365
RENEW_BEFORE = timedelta(days=7)


def server_context(folder: Path) -> ssl.SSLContext:
    """A TLS context for 127.0.0.1 and localhost. Makes what is missing or about to expire: the authority
    (`ca.pem`, which clients trust) and the certificate under it."""
    ca_pem, ca_key = folder / "ca.pem", folder / "ca.key"
    leaf_pem, leaf_key = folder / "server.pem", folder / "server.key"
    if not _valid(ca_pem, ca_key, ca_pem):
        _make_authority(ca_pem, ca_key)
    if not _valid(leaf_pem, leaf_key, ca_pem):
        _make_leaf(ca_pem, ca_key, leaf_pem, leaf_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(leaf_pem, leaf_key)
    return context


def _valid(pem: Path, key: Path, issuer_pem: Path) -> bool:
    """The pair fits together, was issued by that issuer and will not expire soon."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        certificate = x509.load_pem_x509_certificate(pem.read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer_pem.read_bytes()))
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pem, key)
    except (FileNotFoundError, ValueError, InvalidSignature, ssl.SSLError):
        return False
    return datetime.now(UTC) < certificate.not_valid_after_utc - RENEW_BEFORE


def _make_authority(pem: Path, key_file: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "azrecover emulator authority")])
    builder = _dated(x509.CertificateBuilder(), CA_YEARS * 365).subject_name(name).issuer_name(name)
    builder = (
        builder.public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(pem, key_file, builder.sign(key, hashes.SHA256()), key)


def _make_leaf(ca_pem: Path, ca_key_file: Path, pem: Path, key_file: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    authority = x509.load_pem_x509_certificate(ca_pem.read_bytes())
    authority_key = load_pem_private_key(ca_key_file.read_bytes(), password=None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")])
    builder = (
        _dated(x509.CertificateBuilder(), LEAF_DAYS)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
    )
    _write(pem, key_file, builder.sign(authority_key, hashes.SHA256()), key)


def _dated(builder: x509.CertificateBuilder, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _write(pem: Path, key_file: Path, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key_bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, data in ((key_file, key_bytes), (pem, certificate.public_bytes(Encoding.PEM))):
        fresh = path.with_suffix(path.suffix + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        fresh.replace(path)
