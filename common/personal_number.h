/* personal_number.h - the numbers that Sweden gives to people and organisations, as they are stored: digits only.
 *
 * personnummer         YYYYMMDDNNNC, the day of birth, a birth number 001-999, a check digit
 * samordningsnummer    the same with 60 added to the day: for a person who is not in the population register
 * organisationsnummer  ten digits, the third at least 2, a check digit
 *
 * The check digit is Luhn's over the last ten digits (Folkbokföringslagen 1991:481, 18 and 18 a §; lagen 1974:174). Only the shape
 * is judged: whether anybody has the number is not known here. No sex and no date of birth is derived from one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { PERSONAL_NUMBER_DIGITS = 12, ORGANISATION_NUMBER_DIGITS = 10 };

bool personal_number_ok(const char *text, size_t len);
bool coordination_number_ok(const char *text, size_t len);
bool organisation_number_ok(const char *text, size_t len);
