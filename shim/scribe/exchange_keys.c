/*
 * The key of the hashes, see exchange_keys.h. Called on the scribe's thread alone; a forked child's
 * scribe does it again. Must never wait or make up a key that others do not have: without the right
 * one a fact is absent.
 */
#include "exchange_keys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "span/install_key.h"
#include "shim/base/config.h"
#include "shim/base/say.h"
#include "shim/llm/identity/sent_texts.h"
#include "shim/llm/identity/shown.h"
#include "shown_file.h"

static struct sent_texts sent;
static struct shown shown; /* touched only where previews are asked for */
static char key_path[SPAN_PLACE_BYTES + 8];

static void take_installation_key(struct exchange_config *config)
{
    struct span_path_base base = shim_config.base;
    char about[SPAN_PLACE_BYTES + 128];
    base.uid = geteuid();
    key_path[0] = '\0';
    int error = span_install_key_find(config->hash_key, &base, key_path, sizeof(key_path));
    config->has_hash_key = error == 0;
    if (error == 0)
        return;
    (void)snprintf(about, sizeof(about), "%s: %s", key_path, span_install_key_why(error));
    key_path[0] = '\0';
    shim_say_once_about("the key of this installation cannot be used; ids of prompts and aliases of keys are left out",
                        about);
}

void exchange_keys_prepare(struct exchange_config *ret_config)
{
    *ret_config = (struct exchange_config){
        .preview_chars = shim_config.preview_chars,
        .preview_user = shim_config.preview_user,
        .prompt = shim_config.prompt,
    };
    /* Also where the environment gives a key: counts for previews lie beside the file. */
    if (!shim_config.hash_key_said || shim_config.preview_chars > 0)
        take_installation_key(ret_config);
    if (shim_config.hash_key_said) {
        memcpy(ret_config->hash_key, shim_config.hash_key, sizeof(ret_config->hash_key));
        ret_config->has_hash_key = true;
    }
    if (ret_config->has_hash_key) {
        sent_texts_init(&sent, ret_config->hash_key);
        ret_config->sent = &sent;
    }
    if (ret_config->has_hash_key && shim_config.preview_chars > 0) {
        shown_init(&shown, ret_config->hash_key);
        shown_file_load(&shown, key_path);
        ret_config->shown = &shown;
    }
}

void exchange_keys_save(const struct exchange_config *config)
{
    if (config->shown != NULL)
        shown_file_save(config->shown, key_path);
}
