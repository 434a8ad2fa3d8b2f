# ruff: noqa: W291  clients leave blanks at line ends, and so must these
"""Mails as common clients write them, shortened: none of them has a defect.

Each is (name, wire form).
"""

import base64

PDF = base64.encodebytes(b"%PDF-1.7\n" + bytes(range(256)) * 4).decode()
PNG = base64.encodebytes(b"\x89PNG\r\n\x1a\n" + bytes(600)).decode()
JPEG = base64.encodebytes(b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(900)).decode()
DOCX = base64.encodebytes(b"PK\x03\x04" + bytes(22) + b"\x13\0\0\0[Content_Types].xml" + bytes(99)).decode()
SIGNATURE = base64.encodebytes(b"\x30\x82\x06\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(500)).decode()

OUTLOOK = """\
From: Mario Rossi <mario.rossi@acme.example>
To: "'Bianchi, Luca'" <luca@partner.example>
References: 
In-Reply-To: <AM0PR01@eurprd01.prod.exchangelabs.com>
Subject: =?iso-8859-1?Q?R:_Preventivo_citt=E0?=
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <001d01db2e9f$3a1b2c40$ae5184c0$@acme.example>
MIME-Version: 1.0
Content-Type: multipart/mixed;
	boundary="----=_NextPart_000_001E_01DB2EA7.9BE0D6F0"
X-Mailer: Microsoft Outlook 16.0
Thread-Index: AQHbLp8h+abcdefghijklmnopqrstuvw==
Content-Language: it

This is a multipart message in MIME format.

------=_NextPart_000_001E_01DB2EA7.9BE0D6F0
Content-Type: multipart/related;
	boundary="----=_NextPart_001_001F_01DB2EA7.9BE0D6F0"


------=_NextPart_001_001F_01DB2EA7.9BE0D6F0
Content-Type: multipart/alternative;
	boundary="----=_NextPart_002_0020_01DB2EA7.9BE0D6F0"


------=_NextPart_002_0020_01DB2EA7.9BE0D6F0
Content-Type: text/plain;
	charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

Buongiorno,
in allegato il preventivo per la citt=E0.

------=_NextPart_002_0020_01DB2EA7.9BE0D6F0
Content-Type: text/html;
	charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

<html xmlns:v=3D"urn:schemas-microsoft-com:vml"><body><p>Buongiorno=
</p><img src=3D"cid:image001.png@01DB2EA7.9BDF50D0"></body></html>

------=_NextPart_002_0020_01DB2EA7.9BE0D6F0--

------=_NextPart_001_001F_01DB2EA7.9BE0D6F0
Content-Type: image/png;
	name="image001.png"
Content-Transfer-Encoding: base64
Content-ID: <image001.png@01DB2EA7.9BDF50D0>

{PNG}
------=_NextPart_001_001F_01DB2EA7.9BE0D6F0--

------=_NextPart_000_001E_01DB2EA7.9BE0D6F0
Content-Type: application/pdf;
	name="=?iso-8859-1?Q?Preventivo_citt=E0.pdf?="
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
	filename="=?iso-8859-1?Q?Preventivo_citt=E0.pdf?="

{PDF}
------=_NextPart_000_001E_01DB2EA7.9BE0D6F0--

"""

EXCHANGE = """\
From: "Rossi, Mario" <mario.rossi@acme.example>
To: Luca Bianchi <luca@partner.example>
Subject: Document
Thread-Topic: Document
Date: Mon, 4 Nov 2024 09:12:13 +0000
Message-ID:
 <AM0PR01MB1234567890ABCDEF@AM0PR01MB1234.eurprd01.prod.exchangelabs.com>
Accept-Language: it-IT, en-US
Content-Language: it-IT
X-MS-Has-Attach: yes
Content-Type: multipart/mixed;
	boundary="_004_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_"
MIME-Version: 1.0

--_004_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_
Content-Type: multipart/alternative;
	boundary="_000_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_"

--_000_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: base64

QnVvbmdpb3JubyBhIHR1dHRpCg==

--_000_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: base64

PGh0bWw+PGJvZHk+QnVvbmdpb3JubzwvYm9keT48L2h0bWw+

--_000_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_--

--_004_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_
Content-Type:
 application/vnd.openxmlformats-officedocument.wordprocessingml.document;
	name="Relazione finale.docx"
Content-Description: Relazione finale.docx
Content-Disposition: attachment; filename="Relazione finale.docx"; size=22133;
	creation-date="Mon, 04 Nov 2024 09:11:00 GMT";
	modification-date="Mon, 04 Nov 2024 09:12:12 GMT"
Content-Transfer-Encoding: base64

{DOCX}
--_004_AM0PR01MB1234567890ABCDEFAM0PR01MB1234eurp_--
"""

APPLE_MAIL = """\
From: =?utf-8?Q?Niccol=C3=B2_Verdi?= <niccolo@acme.example>
Content-Type: multipart/alternative;
	boundary="Apple-Mail=_6B0A1C9E-7C1D-4F0B-9D3B-0B1B2C3D4E5F"
Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3774.600.62\\))
Subject: Foto
Message-Id: <6B0A1C9E-7C1D-4F0B-9D3B-0B1B2C3D4E5F@acme.example>
Date: Mon, 4 Nov 2024 10:12:13 +0100
To: luca@partner.example
X-Mailer: Apple Mail (2.3774.600.62)


--Apple-Mail=_6B0A1C9E-7C1D-4F0B-9D3B-0B1B2C3D4E5F
Content-Transfer-Encoding: 7bit
Content-Type: text/plain;
	charset=us-ascii

Ecco le foto.

-- 
Niccolo

--Apple-Mail=_6B0A1C9E-7C1D-4F0B-9D3B-0B1B2C3D4E5F
Content-Type: multipart/mixed;
	boundary="Apple-Mail=_AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"


--Apple-Mail=_AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE
Content-Transfer-Encoding: 7bit
Content-Type: text/html;
	charset=us-ascii

<html><head></head><body>Ecco le foto.<br></body></html>
--Apple-Mail=_AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE
Content-Disposition: inline;
	filename*=utf-8''Niccolo%CC%80%20al%20mare.jpeg
Content-Type: image/jpeg;
	x-unix-mode=0644;
	name="=?utf-8?B?TmljY29sb8yAIGFsIG1hcmUuanBlZw==?="
Content-Transfer-Encoding: base64

{JPEG}
--Apple-Mail=_AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE--

--Apple-Mail=_6B0A1C9E-7C1D-4F0B-9D3B-0B1B2C3D4E5F--
"""

IPHONE = """\
Content-Type: multipart/mixed; boundary=Apple-Mail-1F2E3D4C-0000-1111-2222-333344445555
Content-Transfer-Encoding: 7bit
From: Anna <anna@acme.example>
Mime-Version: 1.0 (1.0)
Date: Mon, 4 Nov 2024 10:12:13 +0100
Subject: 
Message-Id: <1F2E3D4C-0000-1111-2222-333344445555@acme.example>
To: luca@partner.example
X-Mailer: iPhone Mail (22B83)


--Apple-Mail-1F2E3D4C-0000-1111-2222-333344445555
Content-Type: image/jpeg;
	name=IMG_1234.jpeg;
	x-apple-part-url=01234567-89AB-CDEF-0123-456789ABCDEF
Content-Disposition: inline;
	filename=IMG_1234.jpeg
Content-Transfer-Encoding: base64

{JPEG}
--Apple-Mail-1F2E3D4C-0000-1111-2222-333344445555
Content-Type: text/plain;
	charset=utf-8
Content-Transfer-Encoding: quoted-printable



Inviato da iPhone=

--Apple-Mail-1F2E3D4C-0000-1111-2222-333344445555--
"""

GMAIL = """\
MIME-Version: 1.0
From: Anna Neri <anna@acme.example>
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <CAFoo+bar=baz_123456789@mail.gmail.com>
Subject: =?UTF-8?Q?Perch=C3=A9_no?=
To: Luca <luca@partner.example>, "Bianchi, Carla" <carla@partner.example>
Cc: gruppo@partner.example
Content-Type: multipart/mixed; boundary="0000000000005c1a2b0612345678"

--0000000000005c1a2b0612345678
Content-Type: multipart/alternative; boundary="0000000000005c1a290612345676"

--0000000000005c1a290612345676
Content-Type: text/plain; charset="UTF-8"
Content-Transfer-Encoding: base64

UGVyY2jDqSBubz8NCg==
--0000000000005c1a290612345676
Content-Type: text/html; charset="UTF-8"
Content-Transfer-Encoding: quoted-printable

<div dir=3D"ltr">Perch=C3=A9 no?</div>

--0000000000005c1a290612345676--
--0000000000005c1a2b0612345678
Content-Type: application/pdf; name="Fattura n. 12.pdf"
Content-Disposition: attachment; filename="Fattura n. 12.pdf"
Content-Transfer-Encoding: base64
Content-ID: <f_m31abcde0>
X-Attachment-Id: f_m31abcde0

{PDF}
--0000000000005c1a2b0612345678--
"""

THUNDERBIRD = """\
Content-Type: multipart/mixed; boundary="------------4wBqCqEWv0jhTkzA0gAbCdEf"
Message-ID: <d2b2a9a4-1111-2222-3333-444455556666@acme.example>
Date: Mon, 4 Nov 2024 10:12:13 +0100
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
Content-Language: it
To: luca@partner.example
From: =?UTF-8?B?Sm9zw6k=?= <jose@acme.example>
Organization: Acme S.p.A.
Subject: Fwd: verbale

This is a multi-part message in MIME format.
--------------4wBqCqEWv0jhTkzA0gAbCdEf
Content-Type: text/plain; charset=UTF-8; format=flowed
Content-Transfer-Encoding: 8bit

..come d'accordo, il verbale è allegato.
> ----- Original Message -----
> begin quoting
--- riga di trattini
-- 
José

--------------4wBqCqEWv0jhTkzA0gAbCdEf
Content-Type: application/pdf; name="=?UTF-8?B?VmVyYmFsZSBkZWxsYSByaXVuaW9uZSBkZWwgNCBub3ZlbQ==?=
 =?UTF-8?Q?bre=2Epdf?="
Content-Disposition: attachment;
 filename*0*=UTF-8''%56%65%72%62%61%6C%65%20%64%65%6C%6C%61%20%72%69%75%6E;
 filename*1*=%69%6F%6E%65%20%64%65%6C%20%34%20%6E%6F%76%65%6D%62%72%65%2E;
 filename*2*=%70%64%66
Content-Transfer-Encoding: base64

{PDF}
--------------4wBqCqEWv0jhTkzA0gAbCdEf
Content-Type: message/rfc822; name="Re: offerta.eml"
Content-Disposition: attachment; filename="Re: offerta.eml"
Content-Transfer-Encoding: 7bit

From: luca@partner.example
To: jose@acme.example
Subject: Re: offerta
Content-Type: multipart/mixed; boundary="0000000000005c1a2b0612345678"

--0000000000005c1a2b0612345678
Content-Type: text/plain

Va bene.
--0000000000005c1a2b0612345678--

--------------4wBqCqEWv0jhTkzA0gAbCdEf
Content-Type: message/rfc822; name="Re: offerta.eml"
Content-Disposition: attachment; filename="Re: offerta.eml"

From: luca@partner.example
Subject: Re: offerta
Content-Type: multipart/mixed; boundary="0000000000005c1a2b0612345678"

--0000000000005c1a2b0612345678
Content-Type: text/plain

Va bene.
--0000000000005c1a2b0612345678--

--------------4wBqCqEWv0jhTkzA0gAbCdEf--
"""

ANDROID = """\
Date: Mon, 04 Nov 2024 10:12:13 +0100
Subject: Ciao
Message-ID: <abc123.1730711533000@email.android.com>
From: Anna <anna@acme.example>
To: luca@partner.example
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="--_com.samsung.android.email_1730711533000"

----_com.samsung.android.email_1730711533000
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

Q2lhbw==

----_com.samsung.android.email_1730711533000
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+Q2lhbzwvcD4=

----_com.samsung.android.email_1730711533000--
"""

SCANNER = """\
From: scanner@acme.example
To: anna@acme.example
Subject: Message from KM_C258
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-Id: <20241104101213.KM123456@acme.example>
MIME-Version: 1.0
X-Mailer: KONICA MINOLTA bizhub C258
Content-Type: multipart/mixed;
 boundary="KONICA_MINOLTA_Internet_Fax_Boundary"
Content-Transfer-Encoding: 7bit

--KONICA_MINOLTA_Internet_Fax_Boundary
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 7bit



--KONICA_MINOLTA_Internet_Fax_Boundary
Content-Type: application/pdf; name="SKM_C25824110410120.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
 filename="SKM_C25824110410120.pdf"

{PDF}

--KONICA_MINOLTA_Internet_Fax_Boundary--
"""

RECEIPT = """\
From: Anna <anna@acme.example>
To: luca@partner.example
Subject: Letto: offerta
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <receipt1@acme.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification;
 boundary="------------mdn0123456789"

--------------mdn0123456789
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 7bit

Il messaggio e' stato visualizzato.

--------------mdn0123456789
Content-Type: message/disposition-notification; name="MDNPart2.txt"
Content-Disposition: inline
Content-Transfer-Encoding: 7bit

Reporting-UA: acme.example; Mozilla Thunderbird
Final-Recipient: rfc822;anna@acme.example
Original-Message-ID: <offer1@partner.example>
Disposition: manual-action/MDN-sent-manually; displayed

--------------mdn0123456789
Content-Type: text/rfc822-headers; name="MDNPart3.txt"
Content-Transfer-Encoding: 7bit
Content-Disposition: inline

From: luca@partner.example
Subject: offerta

--------------mdn0123456789--
"""

DSN = """\
From: MAILER-DAEMON@acme.example (Mail Delivery System)
To: anna@acme.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Date: Mon,  4 Nov 2024 10:12:13 +0100 (CET)
Message-Id: <20241104091213.ABCDEF@acme.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="4XhABCDEFz1.1730711533/mail.acme.example"
Content-Transfer-Encoding: 8bit

This is a MIME-encapsulated message.

--4XhABCDEFz1.1730711533/mail.acme.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<luca@partner.example>: host mx.partner.example said: 550 5.1.1 unknown

--4XhABCDEFz1.1730711533/mail.acme.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.acme.example

Final-Recipient: rfc822; luca@partner.example
Action: failed
Status: 5.1.1

--4XhABCDEFz1.1730711533/mail.acme.example
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Return-Path: <anna@acme.example>
From: Anna <anna@acme.example>
To: luca@partner.example
Subject: Ciao

Ciao

--4XhABCDEFz1.1730711533/mail.acme.example--
"""

SMIME = """\
From: Anna <anna@acme.example>
To: luca@partner.example
Subject: Firmata
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <signed@acme.example>
MIME-Version: 1.0
Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; micalg=sha-256; boundary="----ABCDEF0123456789"

This is an S/MIME signed message

------ABCDEF0123456789
Content-Type: text/plain; charset=utf-8

Firmata.

------ABCDEF0123456789
Content-Type: application/x-pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="smime.p7s"

{SIGNATURE}
------ABCDEF0123456789--

"""

PGP = """\
From: Anna <anna@acme.example>
To: luca@partner.example
Subject: Segreta
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <pgp@acme.example>
MIME-Version: 1.0
Content-Type: multipart/encrypted;
 protocol="application/pgp-encrypted";
 boundary="pgp0123456789"

This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)
--pgp0123456789
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--pgp0123456789
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

-----BEGIN PGP MESSAGE-----

hQEMA0123456789ABAQf/abcd
=ABCD
-----END PGP MESSAGE-----

--pgp0123456789--
"""

INVITATION = """\
From: Anna <anna@acme.example>
To: luca@partner.example
Subject: Riunione
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <calendar-1@google.com>
Sender: Google Calendar <calendar@acme.example>
Reply-To: anna@acme.example
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="000000000000aabbcc0612345678"

--000000000000aabbcc0612345678
Content-Type: multipart/alternative; boundary="000000000000aabbc90612345676"

--000000000000aabbc90612345676
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes
Content-Transfer-Encoding: base64

Uml1bmlvbmU=
--000000000000aabbc90612345676
Content-Type: text/calendar; charset="UTF-8"; method=REQUEST
Content-Transfer-Encoding: 7bit

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
DTSTART:20241105T100000Z
END:VEVENT
END:VCALENDAR

--000000000000aabbc90612345676--
--000000000000aabbcc0612345678
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

QkVHSU46VkNBTEVOREFSDQpFTkQ6VkNBTEVOREFSDQo=
--000000000000aabbcc0612345678--
"""

PHPMAILER = """\
Date: Mon, 4 Nov 2024 10:12:13 +0100
To: cliente@partner.example
From: "Negozio Acme" <negozio@acme.example>
Subject: =?UTF-8?Q?Ordine_n=C2=B0_1234?=
Message-ID: <q1w2e3r4t5@www.acme.example>
X-Mailer: PHPMailer 6.9.1 (https://github.com/PHPMailer/PHPMailer)
MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="b1_q1w2e3r4t5y6"
Content-Transfer-Encoding: 8bit

This is a multi-part message in MIME format.

--b1_q1w2e3r4t5y6
Content-Type: multipart/alternative;
 boundary="b2_q1w2e3r4t5y6"

--b2_q1w2e3r4t5y6
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

Il tuo ordine n° 1234

--b2_q1w2e3r4t5y6
Content-Type: text/html; charset=UTF-8
Content-Transfer-Encoding: 8bit

<p>Il tuo ordine n° 1234</p>


--b2_q1w2e3r4t5y6--

--b1_q1w2e3r4t5y6
Content-Type: application/pdf; name=ordine.pdf
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=ordine.pdf

{PDF}

--b1_q1w2e3r4t5y6--
"""

PHP_MAIL = """\
To: cliente@partner.example
Subject: Contatto dal sito
X-PHP-Originating-Script: 33:contatti.php
From: info@acme.example <info@acme.example>
Reply-To: visitatore@partner.example
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=----=_Part_1234_5678.1730711533

------=_Part_1234_5678.1730711533
Content-type: text/plain; charset=utf-8

Messaggio dal sito

------=_Part_1234_5678.1730711533
Content-type: text/html; charset=utf-8

<b>Messaggio</b> dal sito

------=_Part_1234_5678.1730711533--
"""

CRON = """\
From: root@acme.example (Cron Daemon)
To: root@acme.example
Subject: Cron <root@host> backup

done
"""

MUTT = """\
Date: Mon, 4 Nov 2024 10:12:13 +0100
From: Anna Neri <anna@acme.example>
To: luca@partner.example
Subject: patch
Message-ID: <20241104091213.GA1234@acme.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="vkogqOf2sHV7VnPd"
Content-Disposition: inline
User-Agent: Mutt/2.2.12

--vkogqOf2sHV7VnPd
Content-Type: text/plain; charset=us-ascii
Content-Disposition: inline

See below.

--vkogqOf2sHV7VnPd
Content-Type: text/x-diff; charset=us-ascii
Content-Disposition: attachment; filename="fix.patch"

--- a/file
+++ b/file
@@ -1 +1 @@
--- old
+++ new

--vkogqOf2sHV7VnPd--
"""

LOTUS = """\
To: luca@partner.example
Subject: Report
MIME-Version: 1.0
From: Anna Neri/IT/Acme <anna@acme.example>
Message-ID: <OF12345678.ABCDEF01-ONC1258BCC.00327A1B-C1258BCC.0032A1B2@acme.example>
Date: Mon, 4 Nov 2024 10:12:13 +0100
Content-Type: multipart/mixed; boundary="=_mixed 0032A1B2C1258BCC_="

--=_mixed 0032A1B2C1258BCC_=
Content-Type: multipart/alternative; boundary="=_alternative 0032A1B2C1258BCC_="


--=_alternative 0032A1B2C1258BCC_=
Content-Type: text/plain; charset="US-ASCII"

Report

--=_alternative 0032A1B2C1258BCC_=
Content-Type: text/html; charset="US-ASCII"

<font size=2>Report</font>

--=_alternative 0032A1B2C1258BCC_=--
--=_mixed 0032A1B2C1258BCC_=
Content-Type: application/octet-stream; name="report.pdf"
Content-Disposition: attachment; filename="report.pdf"
Content-Transfer-Encoding: base64

{PDF}
--=_mixed 0032A1B2C1258BCC_=--
"""

DIGEST = """\
From: list@acme.example
To: luca@partner.example
Subject: Digest
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <digest@acme.example>
MIME-Version: 1.0
Content-Type: multipart/digest; boundary="===============1234567890=="

--===============1234567890==

From: a@acme.example
Subject: one

One
--===============1234567890==
Content-Type: message/rfc822

From: b@acme.example
Subject: two

Two
--===============1234567890==--
"""

TNEF = """\
From: "Rossi, Mario" <mario@acme.example>
To: luca@partner.example
Subject: rich
Date: Mon, 4 Nov 2024 10:12:13 +0100
Message-ID: <tnef@acme.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="_002_TNEF_"

--_002_TNEF_
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

rich

--_002_TNEF_
Content-Disposition: attachment; filename="winmail.dat"
Content-Transfer-Encoding: base64
Content-Type: application/ms-tnef; name="winmail.dat"

eJ8+IgAAAAAAAAAAAAAAAAAA

--_002_TNEF_--
"""


def wire(text: str) -> bytes:
    """CRLF line ends, and the sample files in their places."""
    files = {"{PDF}": PDF, "{PNG}": PNG, "{JPEG}": JPEG, "{DOCX}": DOCX, "{SIGNATURE}": SIGNATURE}
    for place, content in files.items():
        text = text.replace(place + "\n", content)
    return text.replace("\n", "\r\n").encode()


_STARTS = ("From:", "To:", "Date:", "Content-Type:", "MIME-Version:")
ORDINARY = {
    name.lower(): wire(text)
    for name, text in list(globals().items())
    if isinstance(text, str) and text.startswith(_STARTS)
}
