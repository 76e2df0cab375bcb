// curlpp, the C++ binding: member-function callbacks and the stream operator.
#include <curlpp/Easy.hpp>
#include <curlpp/Options.hpp>
#include <curlpp/cURLpp.hpp>
#include <fstream>
#include <iostream>
#include <string>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    static const char *const paths[] = {"/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/api/chat"};
    curlpp::Cleanup cleanup;
    std::ifstream bodies(argv[2]);
    std::string body;
    for (int i = 0; i < 4 && std::getline(bodies, body); i++) {
        curlpp::Easy request;
        request.setOpt(curlpp::options::Url(std::string(argv[1]) + paths[i]));
        request.setOpt(curlpp::options::PostFields(body));
        request.setOpt(curlpp::options::PostFieldSize(static_cast<long>(body.size())));
        request.setOpt(curlpp::options::HttpHeader({"Content-Type: application/json", "Authorization: Bearer sk-test-planted-secret"}));
        if (i % 2)
            request.setOpt(curlpp::options::WriteStream(&std::cout));
        else
            request.setOpt(curlpp::options::WriteFunction([](char *data, size_t size, size_t count) {
                std::cout.write(data, static_cast<std::streamsize>(size * count));
                return size * count;
            }));
        request.perform();
    }
    return 0;
}
