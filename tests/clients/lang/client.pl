# Perl WWW::Curl: an XS module, loaded RTLD_LOCAL, GnuTLS flavour on Debian. Easy, then multi.
use strict;
use warnings;
use JSON::PP;
use FindBin;
use WWW::Curl::Easy;
use WWW::Curl::Multi;
my $base = shift;
my $bodies = decode_json(do { local $/; open my $f, '<', "$FindBin::Bin/bodies.json"; <$f> });
my $json = JSON::PP->new->utf8->canonical;
binmode STDOUT;
sub handle {
    my ($item) = @_;
    my $h = WWW::Curl::Easy->new;
    $h->setopt(CURLOPT_URL, $base . $item->[0]);
    $h->setopt(CURLOPT_POST, 1);
    $h->setopt(CURLOPT_POSTFIELDS, $json->encode($item->[1]));
    $h->setopt(CURLOPT_HTTPHEADER, ['Content-Type: application/json', 'Authorization: Bearer sk-test-planted-secret']);
    $h->setopt(CURLOPT_WRITEFUNCTION, sub { print $_[0]; return length $_[0] });
    return $h;
}
for my $item (@$bodies[0 .. 2]) {
    my $h = handle($item);
    print $h->perform, "\n";
}
my $multi = WWW::Curl::Multi->new;
my $h = handle($bodies->[3]);
$h->setopt(CURLOPT_PRIVATE, 7);
$multi->add_handle($h);
my $active = 1;
while ($active) {
    my $transfers = $multi->perform;
    if ($transfers != $active) {
        while (my ($id, $code) = $multi->info_read) {
            print "$id $code\n" if $id;
            $active-- if $id;
        }
    }
    select undef, undef, undef, 0.005;
}
