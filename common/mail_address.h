/* mail_address.h - an e-mail address from outside: is it one, where does mail for it go, and under which form is it looked up.
 *
 * Taken: "local@domain" of RFC 5321 in its plain form. The local part: ASCII letters, digits and !#$%&'*+-/=?^_`{|}~ with single
 * dots inside, at most 64 bytes. The domain: at least two labels of letters, digits and inner hyphens, in any script; it is
 * written in ASCII as DNS has it (UTS #46, not transitional, with STD3, Bidi and context rules; RFC 5890's A-labels). The whole at
 * most 254 bytes, as it came and as it goes.
 *
 * Refused, each with a sentence that says why: everything else that RFC 5321 and 6531 have besides (quoted local parts, comments,
 * address literals, local parts beyond ASCII: too many servers cannot deliver to them, and their look-alikes cannot be told
 * apart), control characters, NUL, line breaks, invalid UTF-8.
 *
 * Refused too are domains made to be taken for another's (UTS #39; Unicode's own tables, in ICU): labels that mix scripts as no
 * language does ("exаmple" with a Cyrillic а), hold unseen characters or mixed digits, or look like an ASCII name without being
 * one ("аррӏе"); also when they come as "xn--...". The letters of Western Europe (ß to ÿ, œ) are never that: "træ" is no "trae".
 * What looks alike within ASCII ("rn" and "m") cannot be refused.
 *
 * The two forms differ only in the case of the local part. Nothing else is folded: dots and +tags mean what the host of the address
 * says they mean, and guessing would give one person another's mail.
 *
 * Security: to somebody who is known, send to the address on record, not to one just typed that has the same key: a host may,
 * though none known does, tell "Anna" from "anna". */
#pragma once
#include <stddef.h>

#include "common/macros.h"

enum { MAIL_LOCAL_MAX = 64, MAIL_ADDRESS_MAX = 254 };

struct mail_address {
    char to[MAIL_ADDRESS_MAX +
            1]; /* where mail goes: the local part as given, the domain in lower-case ASCII */
    char key[MAIL_ADDRESS_MAX +
             1]; /* how it is looked up and hashed: the same with the local part in lower case */
};

/* NULL when the text is an address; else what is wrong, constant text such as "must not hold spaces", and `ret` is untouched.
 * Reading `to` or `key` again gives the same. Any thread. */
const char *mail_address_read(const char *text, size_t len, struct mail_address *ret) must_check;

/* The same for what a person typed: blanks at both ends (spaces, tabs, Unicode's other spaces; not line breaks) do not count. */
const char *mail_normalise_address(const char *typed, size_t len,
                                   struct mail_address *ret) must_check;
