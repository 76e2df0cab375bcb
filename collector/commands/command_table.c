/*
 * The one list of verbs and options. Constant data; read by main, arguments.c and help.c.
 *
 * If you change this file, run `scripts/bless`: the golden help texts come from it (the man pages
 * and the completion are made from it by the build).
 */
#include "command.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PERIOD_OPTIONS                                                                                                 \
    {0, "since", "WHEN", NULL, "only calls that started at WHEN or later: 2026-11-24, 2026-11-24T05:00, 90m, 7d"},     \
        {0, "until", "WHEN", NULL, "only calls that started before WHEN"},                                             \
    {                                                                                                                  \
        0, "last", "SPAN", "1h 24h 7d 30d", "only the last SPAN of time: 90s, 15m, 24h, 7d, 4w"                        \
    }

static const struct option record_options[] = {
    {'o', "output", "FILE", "FILE", "the store to write (default pprof.db); an existing one is added to"},
    {'q', "quiet", NULL, NULL, "no summary at the end"},
    {0, "no-preview", NULL, NULL, "keep no beginning of the instructions to show as the prompt's name"},
    {0, "anyway", NULL, NULL, "run CMD even when it cannot be profiled itself; what it starts may still be"},
};

static const struct option report_options[] = {
    {0, "by", "KEY,...", "prompt model provider service host status team api operation executable version key",
     "what makes a row (default prompt); `pprofctl help keys` lists them"},
    PERIOD_OPTIONS,
    {0, "format", "FORMAT", "text md csv json", "text (default), md, csv or json"},
    {0, "sort", "COLUMN", NULL, "largest first; a name of the json output, or a key for the order of names"},
    {0, "limit", "N", NULL, "at most N rows, 0 for all (default 40 in text and md, else all)"},
    {0, "width", "N", NULL, "fit N characters, 0 for no limit (default: the terminal's width)"},
};

static const struct option prompts_options[] = {
    {0, "format", "FORMAT", "text md csv json", "of the list: text (default), md, csv or json"},
    {0, "limit", "N", NULL, "of the list: at most N rows, 0 for all (default 40 in text and md, else all)"},
    {0, "prompt", "ID", NULL,
     "instead of the list: all that is known of this prompt (its id, the beginning of one, or its name, each with "
     "@VERSION or not)"},
    {0, "variant", "V", NULL, "with split: the variant that becomes a prompt of its own"},
};

static const struct option merge_options[] = {
    {'o', "output", "OUT", "FILE",
     "the store to write (default merged.db, if there is none); an existing one is added to"},
};

static const struct option export_options[] = {PERIOD_OPTIONS};

static const struct option dump_options[] = {
    {0, "raw", NULL, NULL, "the bytes of each payload in hex as well"},
    {0, "statistics", NULL, NULL, "only the sums: bytes per field and per span"},
};

static const struct option help_options[] = {
    {0, "format", "FORMAT", "text md", "of the topics fields and environment: text (default) or md"},
    {0, "man", NULL, NULL, "the page as a manual page, for the build"},
};

#define STORE_OPERAND "FILE is the store to read (default pprof.db here, else the one that pprofd keeps)."

const struct command commands[] = {
    {
        .name = "record",
        .usage = "[-o FILE] [--no-preview] [--quiet] [--anyway] [--] CMD ARGS...",
        .summary = "run a program and keep what its calls of language models cost in time and tokens",
        .example = "pprofctl record -- php worker.php\n"
                   "pprofctl record -o nightly.db -- make evaluate\n"
                   "LIBPPROF_PROMPT=triage@7 pprofctl record -- python3 triage.py",
        .text =
            "Runs CMD unchanged under libpprof.so with a collector of its own. Standard input, output and error, "
            "signals, job control and the exit code pass through; the programs that CMD starts are followed. A "
            "summary of this run ends on standard error.\n\n"
            "Prompt text stays in the process, except words among the first 60 characters of the instructions, or of "
            "names of tools where there are none, which name the prompt in reports: those that three different texts "
            "share, or all of a text that came "
            "three times, never words with digits, addresses or keys in them. --no-preview keeps them in as well, "
            "LIBPPROF_PREVIEW=N changes the number, LIBPPROF_PREVIEW=N,user adds the user's text where there are "
            "no instructions.\n\n"
            "libpprof.so is found beside the installed pprofctl or by $LIBPPROF_SO, and is added to an existing "
            "LD_PRELOAD. Programs that CMD leaves running go on recording into a folder, and so does CMD when record "
            "is killed; the next report or record of FILE takes it in. Where root records, programs that become "
            "other users are recorded too.\n\nA program that cannot be preloaded (static, 32-bit, setuid, musl) is not "
            "run unless "
            "--anyway is given; `pprofctl doctor -- CMD` says more.",
        .exit_status = "That of CMD; when a signal ended CMD, record ends by the same signal. 125: record itself "
                       "failed or CMD cannot be profiled, 126: CMD cannot be executed, 127: CMD was not found, 2: "
                       "wrong options.",
        .options = record_options,
        .n_options = COUNT(record_options),
        .runs_program = true,
        .completes = "COMMAND",
        .run = command_record,
    },
    {
        .name = "report",
        .usage = "[--by KEY,...] [--last 7d] [--format text|md|csv|json] [FILE]",
        .summary = "a table of calls, errors, tokens and times per prompt, model or other keys",
        .example = "pprofctl report\n"
                   "pprofctl report --by prompt,model --last 7d --sort output_tokens\n"
                   "pprofctl report --by provider,status --format csv > week.csv",
        .text = STORE_OPERAND
        " A value that was not seen is - in text, empty in csv and missing in json, never 0. A sum to "
        "which some calls stated nothing is marked with + in text and md; json says how many calls stated it "
        "(..._calls).\n\n"
        "TTFT: start until the first generated content. ITL: gaps between content events. Percentiles come from "
        "sketches: at most 1.6 % off (itl, gaps between tokens: 5 %). tok/s: generated tokens per second between first "
        "and last content. The shares "
        "(queue, dns, connect, tls, send, wait, decode) are parts of the total time of the calls.\n\n"
        "In text, columns that do not fit the terminal are left out and named below the table.",
        .exit_status = "0: reported, 1: FILE cannot be read, 2: wrong options.",
        .options = report_options,
        .n_options = COUNT(report_options),
        .operands_max = 1,
        .completes = "FILE",
        .run = command_report,
    },
    {
        .name = "prompts",
        .usage = "[--format text|md|csv|json] [--limit N|--prompt ID] [name ID NAME|merge ID INTO|split ID [--variant "
                 "V]] [FILE]",
        .summary = "the prompts of a store: what was learned of them, their versions, names",
        .example = "pprofctl prompts\n"
                   "pprofctl prompts --prompt triage@2\n"
                   "pprofctl prompts name 3f0c92d1 triage\n"
                   "pprofctl prompts merge 90b1c22e5d7f0a43 triage runs.db\n"
                   "pprofctl prompts split triage@2",
        .text = STORE_OPERAND
        " One line a version: calls, the texts that it was learned from, the share of words that are the same in all "
        "of them and how many come before the first that varies (of the first 64 and last 24 words), first and last "
        "call. A prompt whose text never varied, or that was not learned yet, has no such facts. Below the list: "
        "which prompts are part of others now.\n\n"
        "--prompt tells more: how long the instructions are, how much of that is the same in all texts and how much "
        "before the first word that varies (what a provider's cache can hold), where something varies, of which kind "
        "it is (date, number, id, name, text) and how long, and variants with their calls. What is in bytes and "
        "tokens is an estimate. Where previews were asked for it shows the beginning of the instructions, with an "
        "ellipsis for all that varies.\n\n"
        "ID is a prompt's id, the beginning of one where no other begins so, or its name. All that is said here is "
        "kept in the store as a rule, which counts for all who read it and over all that is learned later.\n\n"
        "name gives a prompt a name. What its calls say of themselves (X-Pprof-Prompt and the like) counts first.\n\n"
        "merge makes ID a part of INTO, where one prompt was taken for two: the calls of both go by the id and the "
        "name of INTO, versions with the same number become one.\n\n"
        "split takes apart what was taken for one. split ID, of a prompt that was merged or that turned out to be "
        "another one: it is a prompt of its own again, whatever is learned (of what turned out so, calls that were "
        "merged into the store's columns meanwhile stay). split ID@VERSION, split ID --variant V and split TEXT_ID "
        "(pprof.prompt.text_id of export): these calls, and later ones, are a prompt of their own, whose id it says. "
        "merge takes any of it back.",
        .exit_status = "0: done, 1: FILE cannot be read or has no such prompt, or it makes no sense, 2: wrong options.",
        .options = prompts_options,
        .n_options = COUNT(prompts_options),
        .operands_max = 4,
        .completes = "FILE",
        .run = command_prompts,
    },
    {
        .name = "merge",
        .usage = "STORE... [-o OUT]",
        .summary = "make one store of several: of hosts, of recorded runs",
        .example = "pprofctl merge web1.db web2.db -o fleet.db\n"
                   "pprofctl merge nightly.db -o all.db",
        .text = "All calls of each STORE come into OUT, each once, however often it is said: what is there already is "
                "known by its process and number. So do losses, names and other words about prompts (where two differ, "
                "the later one counts, and it says so), and what was learned of prompts: where hosts have the same "
                "LIBPPROF_HASH_KEY, or stores are of one host, equal prompts are one.\n\n"
                "The STOREs are only read, each as it is at one moment, also while pprofd writes to it. OUT is written "
                "in small steps: where merge is killed, it is sound, report and check say that a merge was not "
                "finished, and the same command goes on. What waits beside a store (spools, journals) is not in it: "
                "copy a store at rest, or merge where its pprofd runs.",
        .exit_status = "0: all is in OUT, 1: a store cannot be read or written, or has damaged blocks, which were left "
                       "out, 2: wrong options.",
        .options = merge_options,
        .n_options = COUNT(merge_options),
        .operands_max = 1000,
        .completes = "FILE",
        .run = command_merge,
    },
    {
        .name = "export",
        .usage = "[--last 7d] [FILE]",
        .summary = "one JSON object per call and line, OpenTelemetry names",
        .example = "pprofctl export | head -1\n"
                   "pprofctl export --since 2026-11-24 runs.db > spans.jsonl",
        .text = STORE_OPERAND " A key is missing when its fact was not seen. `pprofctl help fields` explains the keys.",
        .exit_status = "0: exported, 1: FILE cannot be read or has damaged blocks, 2: wrong options.",
        .options = export_options,
        .n_options = COUNT(export_options),
        .operands_max = 1,
        .completes = "FILE",
        .run = command_export,
    },
    {
        .name = "dump",
        .usage = "[--raw] [--statistics] [FILE]",
        .summary = "frames, blocks and columns of a store, spool file or journal, for debugging",
        .example = "pprofctl dump pprof.db | less\n"
                   "pprofctl dump ~/.local/state/libpprof/spool/FILE.frames\n"
                   "pprofctl dump --statistics pprof.db",
        .text = "FILE is a store (default pprof.db), a spool file as libpprof.so leaves it when no collector listens, "
                "or the journal (*.live) of a process: then it shows what would be made of it if the process died now. "
                "Shows what lies where: processes, sequence numbers, losses, blocks, and per column its field, "
                "encoding and size.",
        .exit_status = "0: all could be read, 1: FILE cannot be read or is damaged (it says where), 2: wrong options.",
        .options = dump_options,
        .n_options = COUNT(dump_options),
        .operands_max = 1,
        .completes = "FILE",
        .run = command_dump,
    },
    {
        .name = "check",
        .usage = "[FILE]",
        .summary = "verify a store and say what is wrong where",
        .example = "pprofctl check pprof.db",
        .text = STORE_OPERAND " Verifies the database, each block and column, and the hourly sums against the blocks. "
                              "Nothing is changed.",
        .exit_status = "0: nothing is wrong, 1: something is, or FILE cannot be read, 2: wrong options.",
        .operands_max = 1,
        .completes = "FILE",
        .run = command_check,
    },
    {
        .name = "doctor",
        .usage = "[[--] CMD ARGS...]",
        .summary = "say before any run what will be seen of a program, what not, and why",
        .example = "pprofctl doctor\n"
                   "pprofctl doctor -- php worker.php\n"
                   "pprofctl doctor -- ./my-service",
        .text = "Reads the program's file and its libraries without running them: libcurl linked, loaded later or "
                "built in; OpenSSL, GnuTLS; Go, static, musl, setuid, 32-bit. Scripts are followed to their "
                "interpreter. Without CMD it says where the calls of any program would go: collector, spool, journals, "
                "key; what waits there; and what the default store knows of loss.",
        .exit_status = "0: something will be seen, or no CMD was given, 1: nothing will, or the store cannot be read, "
                       "2: wrong options, 126: CMD cannot be executed, "
                       "127: CMD was not found.",
        .runs_program = true,
        .completes = "COMMAND",
        .run = command_doctor,
    },
    {
        .name = "key-alias",
        .usage = "",
        .summary = "print the alias under which calls with an API key are recorded",
        .example = "pprofctl key-alias < key.txt\n"
                   "pass show openai | pprofctl key-alias",
        .text =
            "Reads the key from the first line of standard input and prints pprof.key.alias, 16 hex digits; \"Bearer "
            "\" "
            "before the key does not count. The alias is a keyed hash: with LIBPPROF_HASH_KEY the same on all hosts "
            "that have it, else with the key of this installation, so that only this user on this host gets it.",
        .exit_status = "0, 1: there is no key to read or to hash with, 2: wrong options.",
        .operands_max = 1,
        .run = command_key_alias,
    },
    {
        .name = "help",
        .usage = "[VERB|keys|fields|environment]",
        .summary = "explain a verb, the keys of report, the fields of export or the environment",
        .example = "pprofctl help report\n"
                   "pprofctl help fields",
        .text = "`pprofctl VERB --help` is the same as `pprofctl help VERB`.",
        .exit_status = "0, or 2 when there is no such topic.",
        .options = help_options,
        .n_options = COUNT(help_options),
        .operands_max = 1,
        .completes = "record report prompts merge export dump check doctor key-alias keys fields environment",
        .run = command_help,
    },
};

const size_t n_commands = COUNT(commands);

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
