/* A body framed as an AWS event stream: messages become events of the body; the chunks of InvokeModel are unwrapped. Part of body.c's work. */
#pragma once

#include "base64.h"
#include "eventstream.h"
#include "json_scan.h"

struct body;

struct body_aws {
    struct eventstream stream;
    struct json_scan envelope; /* {"bytes": base64} around the model's own event */
    struct base64 base64;
    struct body *body;
    bool enveloped;
    bool slice; /* of what SageMaker's container streams, cut anywhere */
};

void body_aws_init(struct body_aws *aws, struct body *body);
