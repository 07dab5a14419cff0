/* claims.h - what the files about claims share. */
#pragma once
#include "services/accounts/seals.h"

/* The record under which a claim's texts are sealed. 0 or -ENOMEM. */
int claim_record(struct arena *arena, uint64_t number, char **ret) must_check;
