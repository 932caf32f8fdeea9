"""Certificates for one test, made with `cryptography` in the folder of the argument:

    ca.pem                                  an authority of their own
    server.pem server.crt server.der        key, certificate in PEM and in DER: for 127.0.0.1, localhost and the server's application URI
    client.pem client.crt client.der        the same for a client named "client", with its own application URI
    stranger.pem stranger.crt stranger.der  of another authority
"""

import datetime
import ipaddress
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)


def builder(name, key, issuer):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def usage(authority):
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=not authority,
        data_encipherment=not authority,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def authority(name):
    key = rsa.generate_private_key(65537, 2048)
    made = builder(name, key, None).add_extension(x509.BasicConstraints(True, 0), True).add_extension(usage(True), True)
    return key, made.sign(key, hashes.SHA256())


def end(folder, file, issuer, uri):
    signing_key, signer = issuer
    key = rsa.generate_private_key(65537, 2048)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.UniformResourceIdentifier(uri),
    ]
    certificate = (
        builder(file, key, signer.subject)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(usage(False), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False)
        .sign(signing_key, hashes.SHA256())
    )
    (folder / f"{file}.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{file}.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))


folder = Path(sys.argv[1])
ours = authority("test authority")
(folder / "ca.pem").write_bytes(ours[1].public_bytes(serialization.Encoding.PEM))
end(folder, "server", ours, "urn:tutin:test:plant")
end(folder, "client", ours, "urn:tutin:test:client")
end(folder, "stranger", authority("another authority"), "urn:tutin:test:stranger")
