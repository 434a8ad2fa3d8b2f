"""File name extensions: those of a media type, those of a kind of content, and those of programs."""

_OOXML = "docx docm dotx dotm xlsx xlsm xlsb xltx xltm pptx pptm potx potm ppsx ppsm vsdx vsdm xps oxps"
_ODF = "odt ods odp odg odf ott ots otp"
_ZIPPED = f"zip {_OOXML} {_ODF} epub pages numbers key jar war apk xpi kmz cbz 3mf idml asice asics"
_OLE = f"doc dot xls xlt xla ppt pot pps msg msi msp pub vsd mpp db {_OOXML}"  # OOXML with a password is OLE
_TEXT = (
    "txt text log csv tsv md asc ics vcf eml xml json svg html htm xhtml mht mhtml xls doc"  # pages called .xls, too
)

# The extensions of each kind of content, its own first. A kind that is not listed contradicts no name.
KINDS: dict[str, tuple[str, ...]] = {
    kind: tuple(extensions.split())
    for kind, extensions in {
        "7z": "7z",
        "access": "mdb accdb",
        "ace": "ace",
        "apk": f"apk {_ZIPPED}",
        "ar": "a deb lib",
        "arj": "arj",
        "avi": "avi",
        "avif": "avif heic",
        "bmp": "bmp dib",
        "bzip2": "bz2 tbz2",
        "cab": "cab",
        "calendar": f"ics {_TEXT}",
        "chm": "chm",
        "class": "class",
        "compress": "z",
        "cpio": f"cpio {_TEXT}",  # its mark is six digits: a text may start with them
        "dex": "dex",
        "disk": "vhdx vhd vmdk qcow2 wim",
        "elf": "elf so",
        "epub": f"epub {_ZIPPED}",
        "exe": "exe dll scr com sys cpl ocx drv",
        "flac": "flac",
        "flash": "swf",
        "gif": "gif",
        "gzip": "gz tgz svgz emz wmz",
        "heic": "heic heif avif",
        "html": f"html {_TEXT}",
        "ico": "ico cur",
        "inf": f"inf {_TEXT}",
        "iso": "iso img",
        "jar": f"jar {_ZIPPED}",
        "jpeg": "jpg jpeg jpe jfif",
        "lnk": "lnk",
        "lz4": "lz4",
        "lzh": "lzh lha",
        "macho": "dylib",
        "matroska": "mkv webm mka",
        "mov": "mov mp4 m4v",
        "mp3": "mp3",
        "mp4": "mp4 m4a m4v m4b mov 3gp",
        "odf": f"odt {_ZIPPED}",
        "ogg": "ogg oga ogv opus",
        "ole": _OLE,
        "onenote": "one",
        "ooxml": _ZIPPED.removeprefix("zip "),
        "pdf": "pdf ai",
        "pgp": f"asc pgp gpg sig {_TEXT}",
        "pkcs7": "p7s p7m p7b p7c",
        "png": "png apng",
        "postscript": "ps eps ai",
        "psd": "psd",
        "pst": "pst ost",
        "rar": "rar cbr",
        "riff": "riff",
        "rpm": "rpm",
        "rtf": "rtf doc",
        "script": f"sh {_TEXT}",
        "svg": f"svg {_TEXT}",
        "tar": "tar",
        "tiff": "tif tiff",
        "tnef": "dat tnef",
        "url": f"url {_TEXT}",
        "vcard": f"vcf {_TEXT}",
        "wasm": "wasm",
        "wav": "wav",
        "webp": "webp",
        "xar": "xar pkg",
        "xml": f"xml {_TEXT}",
        "xz": "xz txz",
        "zip": _ZIPPED,
        "zstd": "zst",
    }.items()
}

# Kinds that are recognised by letters: a plain text may happen to start with them, and clients show it as text.
_LETTERED = (
    "ar bzip2 cab calendar chm cpio dex disk flac flash gif html inf mp3 ogg pdf pgp postscript psd pst rtf script svg"
    " url vcard xar xml"
)
TEXT_KINDS = frozenset({"", *_LETTERED.split()})

# The extensions that a part without a name has by its media type.
TYPES: dict[str, frozenset[str]] = {
    media_type: frozenset(extensions.split())
    for media_type, extensions in {
        "application/pdf": "pdf",
        "application/x-pdf": "pdf",
        "application/rtf": "rtf",
        "application/zip": "zip",
        "application/x-zip-compressed": "zip",
        "application/json": "json",
        "application/xml": "xml",
        "application/ics": "ics",
        "application/msword": "doc",
        "application/vnd.ms-excel": "xls",
        "application/vnd.ms-powerpoint": "ppt",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
        "application/vnd.oasis.opendocument.text": "odt",
        "application/vnd.oasis.opendocument.spreadsheet": "ods",
        "application/vnd.oasis.opendocument.presentation": "odp",
        "audio/mpeg": "mp3",
        "audio/mp4": "m4a",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "image/bmp": "bmp",
        "image/gif": "gif",
        "image/heic": "heic",
        "image/jpeg": "jpg jpeg",
        "image/jpg": "jpg jpeg",
        "image/pjpeg": "jpg jpeg",
        "image/png": "png",
        "image/x-png": "png",
        "image/svg+xml": "svg",
        "image/tiff": "tif tiff",
        "image/webp": "webp",
        "text/calendar": "ics",
        "text/csv": "csv",
        "text/html": "html htm",
        "text/plain": "txt",
        "text/rtf": "rtf",
        "text/vcard": "vcf",
        "text/x-vcard": "vcf",
        "text/xml": "xml",
        "video/mp4": "mp4",
        "video/mpeg": "mpg mpeg",
        "video/quicktime": "mov",
    }.items()
}

# Programs: they run when opened. `com` and `app` are left out: they end host names too, and `info.acme.com.pdf` is no trick.
_PROGRAMS = (
    "ade adp appx appxbundle bat chm cmd cpl dll exe hlp hta inf ins iso isp jar js jse lnk mde msc msi msix msp mst"
    " pif ps1 psc1 reg scf scr sct shb shs url vb vbe vbs vhd vhdx ws wsc wsf wsh xll"
)
EXECUTABLE = frozenset(_PROGRAMS.split())
