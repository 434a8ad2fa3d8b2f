// postal-mime or Nodemailer's mailparser (npm): the parts of each mail.
//
// `node node_parts.mjs MODULES PARSER` reads one mail a line, in base64, and writes one line of JSON
// for each: [[name, media type, first bytes of the content in base64], ...].

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createInterface } from 'node:readline';

const [modules, name] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + '/'));
const attachments = {
    'postal-mime': async mail => (await new (await import(pathToFileURL(require.resolve('postal-mime')))).default().parse(mail)).attachments,
    'mailparser': async mail => (await require('mailparser').simpleParser(mail)).attachments,
};

// Some mails are never answered.
const unanswered = () => new Promise((_, reject) => setTimeout(reject, 10_000).unref());

const row = file => [
    String(file.filename ?? ''), file.mimeType ?? file.contentType ?? '',
    Buffer.from(file.content ?? '').subarray(0, 64).toString('base64'),
];
for await (const line of createInterface({ input: process.stdin })) {
    const rows = [], mails = [Buffer.from(line, 'base64')];
    try {
        for (let mail; (mail = mails.shift()) && rows.length < 99;) {
            const files = await Promise.race([attachments[name](mail), unanswered()]);
            rows.push(...files.map(row));
            mails.push(...files.filter(file => row(file)[1] === 'message/rfc822').map(file => Buffer.from(file.content)));
        }
    } catch { /* its own fault: it shows no more */ }
    process.stdout.write(JSON.stringify(rows) + '\n');
}
