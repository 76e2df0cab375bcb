# die in a write callback of WWW::Curl, out through libcurl's frames; the next request works.
use strict;
use warnings;
use JSON::PP;
use FindBin;
use WWW::Curl::Easy;
my $url = shift() . '/v1/chat/completions';
my $bodies = decode_json(do { local $/; open my $f, '<', "$FindBin::Bin/bodies.json"; <$f> });
my $body = JSON::PP->new->utf8->canonical->encode($bodies->[0][1]);
binmode STDOUT;
for my $write (sub { die "no\n" }, sub { print $_[0]; return length $_[0] }) {
    my $h = WWW::Curl::Easy->new;
    $h->setopt(CURLOPT_URL, $url);
    $h->setopt(CURLOPT_POSTFIELDS, $body);
    $h->setopt(CURLOPT_WRITEFUNCTION, $write);
    print eval { $h->perform } // "died: $@", "\n";
}
