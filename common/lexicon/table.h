/* table.h - writes the table that common/lexicon.h describes. */
#pragma once
#include "common/lexicon/forms.h"

/* `forms` are merged. The same forms give the same bytes. */
int table_write(const struct forms *forms, const char *path) must_check;
