"""TLS for the server, and certificates to do it well or badly with, by the command openssl."""
import pathlib
import ssl
import subprocess
import warnings


class Tls:
    """`client_ca`: only who shows a certificate of it may in. `newest`: at most this ssl.TLSVersion. `truncates`: ends without close_notify."""

    def __init__(self, certificate, key, client_ca=None, newest=None, truncates=False):
        self.truncates = truncates
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        if client_ca:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        if newest is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
                if newest < ssl.TLSVersion.TLSv1_2:
                    self.context.set_ciphers("ALL:@SECLEVEL=0")
                    self.context.minimum_version = ssl.TLSVersion.TLSv1
                self.context.maximum_version = newest


class Certificates:
    """Made in a directory, when they are asked for: `server("good")` is (certificate, key)."""

    # {name: (subject alternative names, days of validity, signed by the CA)}; below zero: over so many days ago
    SERVERS = {
        "good": ("DNS:localhost,IP:127.0.0.1,IP:::1", 2, True),
        "wrong_host": ("DNS:elsewhere.example", 2, True),
        "expired": ("DNS:localhost,IP:127.0.0.1", -1, True),
        "not_yet": ("DNS:localhost,IP:127.0.0.1", None, True),
        "self_signed": ("DNS:localhost,IP:127.0.0.1", 2, False),
    }

    def __init__(self, directory):
        self._directory = pathlib.Path(directory)
        self.ca, self._ca_key = self._authority("ca")

    def _path(self, name):
        return self._directory / name

    def _run(self, *args):
        done = subprocess.run(["openssl", *map(str, args)], capture_output=True, cwd=self._directory)
        if done.returncode:
            raise RuntimeError(f"openssl {args[0]}: {done.stderr.decode(errors='replace')}")

    def _authority(self, name):
        certificate, key = self._path(f"{name}.pem"), self._path(f"{name}.key")
        if not certificate.exists():
            self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-days", "3", "-subj", f"/CN={name}",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return certificate, key

    def server(self, name="good"):
        names, days, signed = self.SERVERS[name]
        return self._leaf(name, f"subjectAltName={names}", days, signed, "serverAuth")

    def client(self, name="client", authority="ca"):
        """(certificate, key); of another authority it is one that nobody knows."""
        return self._leaf(name, "subjectAltName=DNS:client", 2, True, "clientAuth", self._authority(authority))

    def _leaf(self, name, names, days, signed, use, authority=None):
        certificate, key = self._path(f"{name}.pem"), self._path(f"{name}.key")
        if certificate.exists():
            return certificate, key
        request, extensions = self._path(f"{name}.csr"), self._path(f"{name}.ext")
        extensions.write_text(f"{names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage={use}\n")
        self._run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        ca, ca_key = authority or (self.ca, self._ca_key)
        if not signed:
            self._run("x509", "-req", "-in", request, "-signkey", key, "-out", certificate, "-days", days, "-extfile", extensions)
            return certificate, key
        # `openssl ca` is the one that takes dates of the past and of the future.
        period = {None: ("20900101000000Z", "20910101000000Z")}.get(days) or (("20200101000000Z", "20200201000000Z") if days < 0 else None)
        settings = self._path(f"{name}.cnf")
        self._path(f"{name}.index").write_text("")
        settings.write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={name}.index\nnew_certs_dir=.\ndefault_md=sha256\nrand_serial=yes\n"
                            "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        dates = ("-startdate", period[0], "-enddate", period[1]) if period else ("-days", days)
        self._run("ca", "-batch", "-notext", "-config", settings, "-cert", ca, "-keyfile", ca_key, "-in", request, "-out", certificate,
                  "-extfile", extensions, *dates)
        return certificate, key
