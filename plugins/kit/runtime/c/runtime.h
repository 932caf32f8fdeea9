/* What a driver in C is written with, besides the bindings of the contract in tutin.h.
 *
 * A call of the host hands over what it passes: texts and lists belong to the driver, which frees them with the functions of
 * tutin.h. What a driver returns belongs to the host: it must come from malloc, as everything does that is made here.
 */
#ifndef TUTIN_RUNTIME_H
#define TUTIN_RUNTIME_H

#include <stdlib.h>
#include <string.h>

#include "tutin.h"

/* Codes of the contract. */
enum state { VALID, CALIBRATION, MAINTENANCE, PURGE, WARM_UP, FAULT, COMM_ERROR, OVER_RANGE, UNDER_RANGE, SUSPECT, MANUAL, MISSING };
enum failure { COMMUNICATION = 1, DEVICE, SETTINGS, UNSUPPORTED, BUSY, INTERNAL };

/* Bytes that somebody else keeps. */
struct span {
    const char *at;
    size_t length;
};

struct span span_of(const char *text);
struct span span(const void *bytes, size_t length);
bool is(struct span span, const char *text);

/* The next word, as blanks, CR and LF part them; an empty one at the end. */
struct span next_word(struct span *rest);

/* A decimal number, exactly as the nearest double. False for anything else, and for more than 15 digits or an exponent beyond 22, which cannot
 * be converted exactly in this way. */
bool number(struct span text, double *value);

/* A whole number without sign. */
bool whole(struct span text, uint64_t *value);

/* What malloc has kept a copy in: %s a C string, %t a struct span (by value), %u an unsigned int, %x the same in hexadecimal, two digits. */
tutin_string_t text(const char *format, ...);

/* Fills in a failure and returns false, as a call that fails must. */
bool fails(exports_driver_failure_t *failure, enum failure code, const char *format, ...);

/* A JSON object whose members are plain: numbers, texts without escapes, true, false and null. Settings are, and many payloads. */
struct object {
    struct span rest;
    bool is_whole; /* The end was reached: all of it was such an object. */
};
struct member {
    struct span name;
    struct span value; /* Of a text, what stands between the quotation marks. */
    bool is_text;
};
struct object object(struct span json);

/* The next member; false when there is no more, and then `is_whole` says whether that is the end. */
bool next_member(struct object *object, struct member *member);

/* Adds a sample to a batch that began as (exports_driver_batch_t){0}. */
void sample(exports_driver_batch_t *batch, uint16_t point, double value, enum state state);

/* Says of the sample that was added last: the instrument's own status, the bits on the wire, when it was measured (nanoseconds UTC).
 * What one sample has, all must have. */
void with_status(exports_driver_batch_t *batch, uint64_t status);
void with_raw(exports_driver_batch_t *batch, uint64_t raw);
void with_time(exports_driver_batch_t *batch, int64_t time);

/* Bits of an IEEE 754 binary32 as a number. */
double float_of(uint32_t bits);

/* Bits of an IEEE 754 binary64 as a number. */
double double_of(uint64_t bits);

/* Not a number: the value of a sample that has none. */
double no_value(void);

#endif
