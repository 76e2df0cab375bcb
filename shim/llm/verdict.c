/* Whether an exchange is a call of a language model, see verdict.h: a table. */
#include "verdict.h"

unsigned verdict_needs(enum verdict_claim claim, bool failed)
{
    static const struct {
        unsigned char answered, failed;
    } needs[] = {
        [CLAIM_FIRM] = {0, 0},
        [CLAIM_KIND_OPEN] = {EVIDENCE_ANSWER, 0},
        [CLAIM_SHARED] = {EVIDENCE_ANSWER, EVIDENCE_ANSWER | EVIDENCE_REQUEST | EVIDENCE_MODEL},
        [CLAIM_SHARED_BARE] = {EVIDENCE_ANSWER, EVIDENCE_ANSWER | EVIDENCE_REQUEST},
        [CLAIM_PLATFORM] = {EVIDENCE_ANSWER | EVIDENCE_REQUEST, EVIDENCE_ANSWER | EVIDENCE_REQUEST | EVIDENCE_MODEL},
        [CLAIM_PLATFORM_BARE] = {EVIDENCE_ANSWER | EVIDENCE_REQUEST, EVIDENCE_ANSWER | EVIDENCE_REQUEST},
    };
    return failed ? needs[claim].failed : needs[claim].answered;
}

bool verdict_is_call(enum verdict_claim claim, bool failed, unsigned seen, bool veto)
{
    const unsigned needs = verdict_needs(claim, failed);
    return !veto && (needs == 0 || (needs & seen) != 0);
}
