"""The manifest: what every file on the card and in the initramfs is, of which version and under which licence (SPDX 2.3, JSON).

It stands on the card too, so that whoever gets one can see what is on it.
"""

import datetime
import hashlib
import json
import re

from builder import cross
from builder.failure import Failure

NAME = "manifest.spdx.json"
OURS = "MIT OR Apache-2.0"


def crates():
    """Name, version and licence of everything that is compiled into our programs."""
    listed = cross.output("cargo", "tree", "--locked", "--package", "chat-host", "--package", "pi-guest", *cross.FEATURES,
                          "--edges", "normal", "--target", cross.TRIPLE, "--prefix", "none", "--format", "{p}|{l}")
    found = {tuple(match.groups()) for match in re.finditer(r"^(\S+) v(\S+)[^|\n]*\|(.*?)(?: \(\*\))?$", listed, re.MULTILINE)}
    if len(found) < 10:
        raise Failure("cargo tree does not say what the programs are made of")
    # An old way to write a choice, which SPDX does not know.
    return sorted((name, version, licence.replace("/", " OR ")) for name, version, licence in found)


def identifier(text):
    """A name as SPDX takes it."""
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", text)


def package(name, version, licence, **more):
    """One package's record."""
    return {"SPDXID": identifier(f"package-{name}-{version}"), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence,
            "licenseDeclared": licence, "copyrightText": "NOASSERTION", **more}


def write(lock, contents, version, compiler, date):
    """The manifest's bytes."""
    debian = {one.role: package(one.name, one.version, one.licence,
                                checksums=[{"algorithm": "SHA256", "checksumValue": one.sha256}],
                                packageFileName=one.file_name) for one in lock.of_image()}
    ours = {name: package(name, version, OURS) for name in ("chat-host", "pi-guest", "pi-image")}
    owners = debian | ours | {"ours": ours["pi-image"]}
    linked = [package(*crate) for crate in crates() if crate[0] not in ours]
    linked.append(package("rust-std", compiler, "MIT OR Apache-2.0"))

    files, relations = [], []
    for path, content in sorted((contents.card | prefixed(contents.initramfs.files())).items()):
        owner = owners[contents.origins[path]]
        files.append({
            "SPDXID": identifier(f"file-{path}"), "fileName": f"./{path}", "copyrightText": "NOASSERTION",
            "licenseConcluded": owner["licenseConcluded"], "licenseInfoInFiles": ["NOASSERTION"],
            "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},
                          {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}]})
        relations.append((ours["pi-image"]["SPDXID"], "CONTAINS", identifier(f"file-{path}")))
        if owner is not ours["pi-image"]:
            relations.append((identifier(f"file-{path}"), "GENERATED_FROM", owner["SPDXID"]))
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    code = hashlib.sha1("".join(sums).encode()).hexdigest()
    ours["pi-image"] |= {"filesAnalyzed": True, "packageVerificationCode": {"packageVerificationCodeValue": code}}
    relations += [("SPDXRef-DOCUMENT", "DESCRIBES", ours["pi-image"]["SPDXID"])]
    relations += [(ours["pi-image"]["SPDXID"], "CONTAINS", one["SPDXID"]) for one in [*debian.values(), ours["chat-host"], ours["pi-guest"]]]
    relations += [(ours["pi-image"]["SPDXID"], "CONTAINS", one["SPDXID"]) for one in linked]
    names = {part["SPDXID"] for part in [*debian.values(), *ours.values(), *linked, *files]}
    if len(names) != len(debian) + len(ours) + len(linked) + len(files):
        raise Failure("two things in the manifest have one name")

    digest = hashlib.sha256("".join(file["checksums"][1]["checksumValue"] for file in files).encode()).hexdigest()
    firmware = contents.packages["firmware"]
    terms = firmware.read("usr/share/doc/raspi-firmware/copyright").decode()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "pi.img",
        "documentNamespace": f"https://spdx.org/spdxdocs/pi.img-{digest}",
        "comment": f"SOURCE_DATE_EPOCH {date}",
        "creationInfo": {"created": datetime.datetime.fromtimestamp(date, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: pi-image/build"]},
        "hasExtractedLicensingInfos": [{"licenseId": "LicenseRef-Broadcom-RPi", "name": "Raspberry Pi firmware",
                                        "extractedText": terms}],
        "packages": [*debian.values(), *ours.values(), *linked],
        "files": files,
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in relations],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def prefixed(files):
    """The files of the initramfs, named so that both sets can stand side by side."""
    return {f"initramfs.img/{path}": content for path, content in files.items()}
