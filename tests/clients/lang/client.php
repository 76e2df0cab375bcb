<?php
// PHP's curl extension (opened with RTLD_DEEPBIND by PHP 8.2): easy handles with and without callback, then a multi handle. From the command line,
// or served by PHP-FPM.
$base = $_GET['base'] ?? $argv[1];
$bodies = json_decode(file_get_contents(__DIR__ . '/bodies.json'));
function handle($base, $item) {
    $h = curl_init($base . $item[0]);
    curl_setopt_array($h, [CURLOPT_POSTFIELDS => json_encode($item[1]), CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Authorization: Bearer sk-test-planted-secret']]);
    return $h;
}
$h = handle($base, $bodies[0]);
echo curl_exec($h), curl_getinfo($h, CURLINFO_RESPONSE_CODE), "\n";
curl_close($h);
foreach ([1, 2] as $i) {
    $h = handle($base, $bodies[$i]);
    curl_setopt($h, CURLOPT_WRITEFUNCTION, function ($h, $data) { echo $data; return strlen($data); });
    curl_exec($h);
}
$multi = curl_multi_init();
$h = handle($base, $bodies[3]);
curl_multi_add_handle($multi, $h);
do {
    curl_multi_exec($multi, $running);
    curl_multi_select($multi, 1);
} while ($running);
while ($done = curl_multi_info_read($multi))
    echo $done['result'], "\n";
echo curl_multi_getcontent($h);
curl_multi_remove_handle($multi, $h);
