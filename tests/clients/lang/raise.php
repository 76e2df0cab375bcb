<?php
// An exception in a write callback; the next request works.
$url = $argv[1] . '/v1/chat/completions';
$body = json_encode(json_decode(file_get_contents(__DIR__ . '/bodies.json'))[0][1]);
$h = curl_init($url);
curl_setopt_array($h, [CURLOPT_POSTFIELDS => $body, CURLOPT_WRITEFUNCTION => function () { throw new Exception('no'); }]);
try {
    curl_exec($h);
} catch (Exception $e) {
    echo $e->getMessage(), "\n";
}
$h = curl_init($url);
curl_setopt_array($h, [CURLOPT_POSTFIELDS => $body, CURLOPT_RETURNTRANSFER => true]);
echo curl_exec($h), "\n";
