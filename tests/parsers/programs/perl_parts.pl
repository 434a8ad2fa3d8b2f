# MIME::Parser or Email::MIME (Debian: libmime-tools-perl, libemail-mime-perl): the parts of each mail.
#
# `perl perl_parts.pl PARSER` reads one mail a line, in base64, and writes one line of JSON for each:
# [[name, media type, first bytes of the content in base64], ...].

use strict;
use warnings;
no warnings 'utf8';
use JSON::PP;
use MIME::Base64;
$| = 1;
local $SIG{__WARN__} = sub { };

my %parts = (
    'MIME::Parser' => sub {
        require MIME::Parser;
        my $parser = MIME::Parser->new;
        $parser->output_to_core(1);
        $parser->tmp_to_core(1);
        $parser->extract_nested_messages(1);
        $parser->extract_uuencode(1);
        return map {
            my $body = $_->bodyhandle;
            [$_->head->recommended_filename // '', $_->effective_type // '', $body ? $body->as_string : '']
        } $parser->parse_data($_[0])->parts_DFS;
    },
    'Email::MIME' => sub {
        require Email::MIME;
        my @rows;
        my @mails = ($_[0]);
        while (defined(my $mail = shift @mails)) { # a message in it is parsed again, as programs do
            Email::MIME->new($mail)->walk_parts(sub {
                my $part = $_[0];
                my $body = eval { $part->body } // '';
                push @rows, [eval { $part->filename } // '', $part->content_type // '', $body];
                push @mails, $body if @mails < 9 && ($part->content_type // '') =~ m{^\s*message/rfc822}i;
            });
        }
        return @rows;
    },
);

my $of = $parts{$ARGV[0]};
my $json = JSON::PP->new->ascii;
while (my $line = <STDIN>) {
    my @rows = eval { $of->(decode_base64($line)) };
    $_->[2] = encode_base64(substr($_->[2], 0, 64), '') for @rows;
    print $json->encode(\@rows), "\n";
}
