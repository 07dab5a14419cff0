/* personal_number.c - digits, calendar, check digit. */
#include "common/personal_number.h"

#include <string.h>

#include "common/format.h"
#include "fokus/v1/options.pb-c.h"

static bool all_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

/* Weights 2, 1, 2, ... from the first of ten digits; the digits of the products are summed. */
static bool luhn_ok(const char digits[10])
{
    int sum = 0;

    for (int i = 0; i < 10; i++) {
        int product = (digits[i] - '0') * (i % 2 ? 1 : 2);
        sum += product / 10 + product % 10;
    }
    return sum % 10 == 0;
}

static bool is_number(const char *text, size_t len, int added_to_day)
{
    if (len != PERSONAL_NUMBER_DIGITS || !all_digits(text, len) || !luhn_ok(text + 2))
        return false;
    int day = (text[6] - '0') * 10 + text[7] - '0' - added_to_day;
    if (day < 1 || memcmp(text + 8, "000", 3) == 0)
        return false;
    const char date[] = { text[0],
                          text[1],
                          text[2],
                          text[3],
                          '-',
                          text[4],
                          text[5],
                          '-',
                          (char)('0' + day / 10),
                          (char)('0' + day % 10) };
    return !format_problem(FOKUS__V1__STRING_FORMAT__STRING_FORMAT_DATE, date, sizeof(date));
}

bool personal_number_ok(const char *text, size_t len)
{
    return is_number(text, len, 0);
}

bool coordination_number_ok(const char *text, size_t len)
{
    return is_number(text, len, 60);
}

bool organisation_number_ok(const char *text, size_t len)
{
    return len == ORGANISATION_NUMBER_DIGITS && all_digits(text, len) && text[2] >= '2' &&
           luhn_ok(text);
}
