"""The texts that end users read, in each language: refusals, link notices, bounces. Pure data."""

from enum import StrEnum


class Language(StrEnum):
    """The languages that a notice can be in."""

    IT = "it"
    EN = "en"


class Notice(StrEnum):
    """The texts that people who send or get an account's mail read, which it can choose.

    First the refusals, then what is written into mails. `NO_LINKS` is added to `SIZE`.
    """

    ATTACHMENT = "attachment"
    ENCRYPTED = "encrypted"
    SIZE = "size"
    NO_LINKS = "no-links"
    SENDER = "sender"
    RECIPIENTS = "recipients"
    STRUCTURE = "structure"
    AUTHOR = "author"
    DISPLAY_NAME = "display-name"
    SIGNED = "signed"
    QUOTA = "quota"
    QUOTA_MESSAGE = "quota-message"
    LINE_END = "line-end"
    LINE_LENGTH = "line-length"
    LOOP = "loop"
    SMTPUTF8 = "smtputf8"
    EIGHT_BIT = "8bit"
    LOGIN_STOPPED = "login-stopped"
    SENDING_STOPPED = "sending-stopped"
    LINK_FILE = "link-file"
    LINK = "link"
    LINKS = "links"
    LINK_ENDED = "link-ended"
    LINK_REVOKED = "link-revoked"
    BOUNCE_SUBJECT = "bounce-subject"
    BOUNCE = "bounce"
    BOUNCE_EXPIRED = "bounce-expired"


# The Italian texts are the provider's own. They have `e'` for `è`, as a reply is ASCII unless the
# client used SMTPUTF8.
TEXTS: dict[Notice, dict[Language, str]] = {
    Notice.ATTACHMENT: {
        Language.IT: (
            'L\'allegato "{name}"\n'
            "ha violato la politica di sicurezza della vostra azienda.\n"
            "\n"
            "La spedizione e' stata bloccata.\n"
            "Per ulteriori informazioni, contattare l'Amministratore IT"
        ),
        Language.EN: (
            'The attachment "{name}"\n'
            "violated your company's security policy.\n"
            "\n"
            "The mail has been stopped.\n"
            "For further information, contact the IT Administrator"
        ),
    },
    Notice.ENCRYPTED: {
        Language.IT: (
            "Il messaggio contiene testo cifrato (un blocco PGP),\n"
            "e la politica di sicurezza della vostra azienda non ammette messaggi cifrati.\n"
            "\n"
            "La spedizione e' stata bloccata.\n"
            "Per ulteriori informazioni, contattare l'Amministratore IT"
        ),
        Language.EN: (
            "The message contains text that is encrypted (a PGP block),\n"
            "and your company's policy does not accept encrypted messages.\n"
            "\n"
            "The mail has been stopped.\n"
            "For further information, contact the IT Administrator"
        ),
    },
    Notice.SIZE: {
        Language.IT: (
            "La dimensione del messaggio che si sta tentando di inviare supera\n"
            "il limite di dimensione globale ({limit} byte) del server.\n"
            "Il messaggio non è stato inviato; ridurre la dimensione del messaggio e riprovare."
        ),
        Language.EN: (
            "The size of the message that you are trying to send exceeds\n"
            "the global size limit ({limit} bytes) of the server.\n"
            "The message was not sent; reduce the message size and try again."
        ),
    },
    Notice.NO_LINKS: {
        Language.IT: "Gli allegati non possono diventare link: il messaggio e' firmato, cifrato o di struttura difettosa.",
        Language.EN: "Its attachments can't become links: it is signed, encrypted or of a broken structure.",
    },
    Notice.SENDER: {
        Language.IT: 'Mittente non autorizzato: "{sender}" ({seen}) non è tra i mittenti dell\'account "{account}"',
        Language.EN: 'Sender not authorised: "{sender}" ({seen}) is not among the senders of account "{account}"',
    },
    Notice.RECIPIENTS: {
        Language.IT: "Troppi destinatari: al massimo {limit} per messaggio",
        Language.EN: "Too many recipients: at most {limit} for each message",
    },
    Notice.STRUCTURE: {
        Language.IT: "La struttura del messaggio è ambigua o difettosa e potrebbe nascondere un allegato: {reason}",
        Language.EN: "The message's structure is ambiguous or broken and could hide an attachment: {reason}",
    },
    Notice.AUTHOR: {
        Language.IT: (
            "Il campo From (mittente) del messaggio non è leggibile.\n"
            "Deve avere questa forma: From: Alice Rossi <alice@example.com>\n"
            'Un nome con una virgola o altri segni va tra virgolette: From: "Rossi, Alice" <alice@example.com>'
        ),
        Language.EN: (
            "The From field of the message can't be read.\n"
            "It must look like this: From: Alice Rossi <alice@example.com>\n"
            'A name with a comma or other signs needs quotation marks: From: "Rossi, Alice" <alice@example.com>'
        ),
    },
    Notice.DISPLAY_NAME: {
        Language.IT: 'Il nome del mittente contiene "{address}", che non è tra i mittenti dell\'account "{account}"',
        Language.EN: 'The sender\'s name holds "{address}", which is not among the senders of account "{account}"',
    },
    Notice.SIGNED: {
        Language.IT: (
            "L'allegato \"{name}\" è troppo pesante per essere inviato così com'è\n"
            "e non può diventare un link: il messaggio è {why} e non può essere modificato.\n"
            "Inviare il file in un messaggio né firmato né cifrato."
        ),
        Language.EN: (
            'The attachment "{name}" is too heavy to be sent as it is,\n'
            "and can't become a link: the message is {why}, and can't be changed.\n"
            "Send the file in a message that is neither signed nor encrypted."
        ),
    },
    Notice.QUOTA: {  # in English sendmail's wording, which people and programs know
        Language.IT: "<{recipient}>... {sender} ha superato {limit}; prossimo messaggio ammesso alle {until}",
        Language.EN: "<{recipient}>... {sender} has exceeded {limit}; next message allowed at {until}",
    },
    Notice.QUOTA_MESSAGE: {
        Language.IT: "<{recipient}>... {sender} ha superato {limit}; questo messaggio lo supera da solo",
        Language.EN: "<{recipient}>... {sender} has exceeded {limit}; this message is over it by itself",
    },
    Notice.LINE_END: {
        Language.IT: "Il messaggio contiene CR o LF isolati: le righe devono terminare con CRLF",
        Language.EN: "Bare CR or LF in the message: lines must end in CRLF",
    },
    Notice.LINE_LENGTH: {
        Language.IT: "Una riga del messaggio è troppo lunga",
        Language.EN: "A line of the message is too long",
    },
    Notice.LOOP: {
        Language.IT: "Il messaggio gira in tondo: è passato da troppi server",
        Language.EN: "The message goes round in a circle: it came through too many servers",
    },
    Notice.SMTPUTF8: {
        Language.IT: "Il server successivo non accetta indirizzi internazionalizzati",
        Language.EN: "The next hop can't carry internationalised addresses",
    },
    Notice.EIGHT_BIT: {
        Language.IT: "Il server successivo accetta solo messaggi a 7 bit",
        Language.EN: "The next hop takes 7-bit messages only",
    },
    Notice.LOGIN_STOPPED: {
        Language.IT: "Il login {login} è sospeso {end} dopo {senders}",
        Language.EN: "Login {login} is stopped {end} after {senders}",
    },
    Notice.SENDING_STOPPED: {
        Language.IT: "L'invio da qui senza login è sospeso {end} dopo {senders}",
        Language.EN: "Sending from here without a login is stopped {end} after {senders}",
    },
    Notice.LINK_FILE: {
        Language.IT: "[{name}] ({size}) spostato in:",
        Language.EN: "[{name}] ({size}) moved to:",
    },
    Notice.LINK: {
        Language.IT: "Il file verrà ELIMINATO dopo {keep} ({date}).",
        Language.EN: "The file will be DELETED after {keep} ({date}).",
    },
    Notice.LINKS: {
        Language.IT: "I file verranno ELIMINATI dopo {keep} ({date}).",
        Language.EN: "The files will be DELETED after {keep} ({date}).",
    },
    Notice.LINK_ENDED: {
        Language.IT: "Il link è scaduto e il file è stato eliminato. Chiedere al mittente di inviarlo di nuovo.",
        Language.EN: "The link has ended and the file has been deleted. Ask the sender to send it again.",
    },
    Notice.LINK_REVOKED: {
        Language.IT: "L'azienda del mittente ha revocato il link: il file non può più essere scaricato.",
        Language.EN: "The sender's company has revoked the link, so the file can't be downloaded any more.",
    },
    Notice.BOUNCE_SUBJECT: {
        Language.IT: "Messaggio non consegnato",
        Language.EN: "Undelivered mail",
    },
    Notice.BOUNCE: {
        Language.IT: (
            "Il vostro messaggio {mail} del {sent} non è stato consegnato: è stato rifiutato.\n"
            "Non verrà ritentato. La risposta per ogni destinatario:"
        ),
        Language.EN: (
            "Your mail {mail} of {sent} could not be delivered: it was refused for good.\n"
            "It will not be tried again. What was answered for each recipient:"
        ),
    },
    Notice.BOUNCE_EXPIRED: {
        Language.IT: (
            "Il vostro messaggio {mail} del {sent} non è stato consegnato:\n"
            "si è tentato per {days} giorno/i, senza successo.\n"
            "Non verrà ritentato. La risposta per ogni destinatario:"
        ),
        Language.EN: (
            "Your mail {mail} of {sent} could not be delivered:\n"
            "it was tried for {days} day(s), and is given up.\n"
            "It will not be tried again. What was answered for each recipient:"
        ),
    },
}
FACTS: dict[Notice, tuple[str, ...]] = {
    Notice.ATTACHMENT: ("name",),
    Notice.SIZE: ("limit",),
    Notice.SENDER: ("sender", "seen", "account"),
    Notice.RECIPIENTS: ("limit",),
    Notice.STRUCTURE: ("reason",),
    Notice.AUTHOR: (),
    Notice.DISPLAY_NAME: ("address", "account"),
    Notice.ENCRYPTED: (),
    Notice.NO_LINKS: (),
    Notice.SIGNED: ("name", "why"),
    Notice.QUOTA: ("recipient", "sender", "limit", "until"),
    Notice.QUOTA_MESSAGE: ("recipient", "sender", "limit"),
    Notice.LINE_END: (),
    Notice.LINE_LENGTH: (),
    Notice.LOOP: (),
    Notice.SMTPUTF8: (),
    Notice.EIGHT_BIT: (),
    Notice.LOGIN_STOPPED: ("login", "end", "senders"),
    Notice.SENDING_STOPPED: ("end", "senders"),
    Notice.LINK_FILE: ("name", "size"),
    Notice.LINK: ("keep", "date"),
    Notice.LINKS: ("keep", "date"),
    Notice.LINK_ENDED: (),
    Notice.LINK_REVOKED: (),
    Notice.BOUNCE_SUBJECT: (),
    Notice.BOUNCE: ("mail", "sent"),
    Notice.BOUNCE_EXPIRED: ("mail", "sent", "days"),
}
# These are one line: the subject of a mail, and the line above a link.
ONE_LINE = frozenset({Notice.BOUNCE_SUBJECT, Notice.LINK_FILE})
