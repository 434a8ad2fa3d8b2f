"""File name extensions: of media types, of kinds of content, and of programs."""

_OOXML = "docx docm dotx dotm xlsx xlsm xlsb xltx xltm pptx pptm potx potm ppsx ppsm vsdx vsdm xps oxps"
_ODF = "odt ods odp odg odf ott ots otp"
_ZIPPED = f"zip {_OOXML} {_ODF} epub pages numbers key jar war apk xpi kmz cbz 3mf idml asice asics"
_OLE = f"doc dot xls xlt xla ppt pot pps msg msi msp pub vsd mpp db {_OOXML}"  # OOXML with a password is OLE
_TEXT = (
    "txt text log csv tsv md asc ics vcf eml xml json svg html htm xhtml mht mhtml xls doc"  # pages called .xls, too
)

_OWN_EXTENSION = "7z ace arj avi cab chm class dex flac gif lnk mp3 psd riff rpm tar wav webp"  # named like the kind
_EXTENSIONS = {
    "access": "mdb accdb",
    "apk": f"apk {_ZIPPED}",
    "ar": "a deb lib",
    "avif": "avif heic",
    "binhex": "hqx",
    "bmp": "bmp dib",
    "bzip2": "bz2 tbz2",
    "calendar": f"ics {_TEXT}",
    "compress": "z",
    "cpio": f"cpio {_TEXT}",  # recognised by six digits: a text may start with them
    "disk": "vhdx vhd vmdk qcow2 wim",
    "elf": "elf so",
    "epub": f"epub {_ZIPPED}",
    "exe": "exe dll scr com sys cpl ocx drv",
    "flash": "swf",
    "gzip": "gz tgz svgz emz wmz",
    "heic": "heic heif avif",
    "html": f"html {_TEXT}",
    "ico": "ico cur",
    "inf": f"inf {_TEXT}",
    "iso": "iso img",
    "jar": f"jar {_ZIPPED}",
    "jpeg": "jpg jpeg jpe jfif",
    "lz4": "lz4",
    "lzh": "lzh lha",
    "macho": "dylib",
    "matroska": "mkv webm mka",
    "mov": "mov mp4 m4v",
    "mp4": "mp4 m4a m4v m4b mov 3gp",
    "odf": f"odt {_ZIPPED}",
    "ogg": "ogg oga ogv opus",
    "ole": _OLE,
    "onenote": "one",
    "ooxml": _ZIPPED.removeprefix("zip "),
    "pdf": "pdf ai",
    "pgp": f"asc pgp gpg sig {_TEXT}",
    "pkcs7": "p7s p7m p7b p7c",
    "pkcs7-enveloped": "p7m",
    "png": "png apng",
    "postscript": "ps eps ai",
    "pst": "pst ost",
    "rar": "rar cbr",
    "rtf": "rtf doc",
    "script": f"sh {_TEXT}",
    "svg": f"svg {_TEXT}",
    "tiff": "tif tiff",
    "tnef": "dat tnef",
    "url": f"url {_TEXT}",
    "vcard": f"vcf {_TEXT}",
    "wasm": "wasm",
    "xar": "xar pkg",
    "xml": f"xml {_TEXT}",
    "xz": "xz txz",
    "zip": _ZIPPED,
    "zstd": "zst",
}
KINDS: dict[str, tuple[str, ...]] = {kind: (kind,) for kind in _OWN_EXTENSION.split()}
"""The extensions of each kind of content, its own first.

A kind that is not listed contradicts no name.
"""
KINDS.update((kind, tuple(extensions.split())) for kind, extensions in _EXTENSIONS.items())

# These kinds are recognised by letters. A plain text may start with the same letters, and clients
# show it as text.
_RECOGNISED_BY_LETTERS = (
    "ar bzip2 cab calendar chm cpio dex disk flac flash gif html inf mp3 ogg pdf pgp postscript psd pst rtf script svg"
    " url vcard xar xml"
)
TEXT_KINDS = frozenset({"", *_RECOGNISED_BY_LETTERS.split()})

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
_MEDIA_TYPES = {
    "pdf": "application/pdf application/x-pdf",
    "rtf": "application/rtf text/rtf",
    "ps eps": "application/postscript",
    "zip": "application/zip application/x-zip-compressed",
    "gz": "application/gzip application/x-gzip",
    "bin": "application/octet-stream",
    "json": "application/json",
    "xml": "application/xml text/xml",
    "ics": "application/ics text/calendar",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel application/x-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "odt": f"{_OPEN_DOCUMENT}.text",
    "ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    "odp": f"{_OPEN_DOCUMENT}.presentation",
    "au snd": "audio/basic",
    "mp3": "audio/mpeg audio/mp3",
    "m4a": "audio/mp4",
    "wav": "audio/wav audio/x-wav",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "jpg jpeg": "image/jpeg image/jpg image/pjpeg",
    "png": "image/png image/x-png",
    "svg": "image/svg+xml",
    "tif tiff": "image/tiff",
    "webp": "image/webp",
    "csv": "text/csv",
    "html htm": "text/html",
    "txt": "text/plain",
    "js": "text/ecmascript text/javascript text/jscript text/livescript text/x-ecmascript text/x-javascript",
    "vbs": "text/vbs text/vbscript text/x-vbscript",
    "py": "text/x-python text/x-script.python",
    "sh": "text/x-sh text/x-shellscript text/x-script.sh text/x-csh",
    "pl": "text/x-perl text/x-script.perl",
    "php": "text/php text/x-php",
    "sct wsc": "text/scriptlet text/x-scriptlet text/x-component",
    "iqy": "text/x-ms-iqy text/x-ms-rqy",
    "vcf": "text/vcard text/x-vcard",
    "mp4": "video/mp4",
    "mpg mpeg": "video/mpeg",
    "mov": "video/quicktime",
    "avi": "video/avi video/x-msvideo",
}
_PLAIN = frozenset({"txt"})
_TYPES = {
    media_type: frozenset(extensions.split())
    for extensions, media_types in _MEDIA_TYPES.items()
    for media_type in media_types.split()
}


def type_extensions(media_type: str) -> frozenset[str]:
    """What a part without a name counts as. A text of an unknown type is plain (RFC 2046 4.1.4)."""
    return _TYPES.get(media_type, _PLAIN if media_type.startswith("text/") else frozenset())


# Programs: they run when opened. `com` and `app` also end host names, and `info.acme.com.pdf` is no
# trick.
_PROGRAMS = (
    "ade adp appx appxbundle bat chm cmd cpl dll exe hlp hta inf ins iso isp jar js jse lnk mde msc msi msix msp mst"
    " pif ps1 psc1 reg scf scr sct shb shs url vb vbe vbs vhd vhdx ws wsc wsf wsh xll"
)
EXECUTABLE = frozenset(_PROGRAMS.split())

# Further extensions that a desktop opens with something that can do harm.
_OPENED = (
    "appinstaller application appref-ms bash bin cnt command csh desktop diagcab dmg gadget grp iqy jnlp js jsp ksh"
    " library-ms mad maf mam maq mar mas mat mau mav maw mcf mshxml mst oqy osd pcd php pl plg prf prg ps1xml ps2"
    " ps2xml psc2 psd1 psdm1 psm1 py pyc pyo pyw rb rdp rqy run scpt search-ms searchconnector-ms settingcontent-ms"
    " slk tcsh theme themepack udl vsmacros vsw webpnp website wiz workflow wcx zsh"
)
_ALL_KNOWN = {*EXECUTABLE, *_OPENED.split(), *(e for kind in KINDS.values() for e in kind)}
_ALL_KNOWN.update(extension for extensions in _TYPES.values() for extension in extensions)
KNOWN = frozenset(extension for extension in _ALL_KNOWN if len(extension) > 1)
"""Extensions by which a system chooses a program. `4711` and the `a` of `Rossi S.p.A.` are none."""

PICTURES = frozenset(["avif", "bmp", "gif", "heic", "ico", "jpeg", "png", "tiff", "webp"])
"""Kinds of pictures. Each program that shows one looks at the content, whatever the name says."""
PICTURE_EXTENSIONS = frozenset(extension for kind in PICTURES for extension in KINDS[kind])
