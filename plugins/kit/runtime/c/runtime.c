#include "runtime.h"

#include <stdarg.h>

/* Memory: blocks one after the other from the end of the driver's data, each with its size in front. Free blocks are a list in the order
 * of their addresses, and neighbours in it are joined. */

struct block {
    size_t size; /* Of the whole block. */
    struct block *next;
};

extern char __heap_base;
static struct block *first_free;
static char *heap_end;

enum { HEADER = 8, PAGE = 65536 };

static struct block *grow(size_t size) {
    if (heap_end == NULL)
        heap_end = (char *)(((size_t)&__heap_base + 7) & ~(size_t)7);
    size_t have = __builtin_wasm_memory_size(0) * (size_t)PAGE;
    size_t need = (size_t)heap_end + size;
    if (need < size || (need > have && __builtin_wasm_memory_grow(0, (need - have + PAGE - 1) / PAGE) == (size_t)-1))
        return NULL;
    struct block *block = (struct block *)heap_end;
    heap_end += size;
    block->size = size;
    return block;
}

void *malloc(size_t wanted) {
    size_t size = (wanted + HEADER + 7) & ~(size_t)7;
    if (size < wanted)
        return NULL;
    for (struct block **link = &first_free; *link != NULL; link = &(*link)->next) {
        struct block *block = *link;
        if (block->size < size)
            continue;
        if (block->size - size >= 2 * HEADER) {
            struct block *rest = (struct block *)((char *)block + size);
            *rest = (struct block){.size = block->size - size, .next = block->next};
            block->size = size;
            *link = rest;
        } else {
            *link = block->next;
        }
        return (char *)block + HEADER;
    }
    struct block *block = grow(size);
    return block == NULL ? NULL : (char *)block + HEADER;
}

void free(void *memory) {
    if (memory == NULL)
        return;
    struct block *block = (struct block *)((char *)memory - HEADER);
    struct block *before = NULL, *after = first_free;
    while (after != NULL && after < block) {
        before = after;
        after = after->next;
    }
    block->next = after;
    if (after != NULL && (char *)block + block->size == (char *)after) {
        block->size += after->size;
        block->next = after->next;
    }
    if (before == NULL) {
        first_free = block;
    } else if ((char *)before + before->size == (char *)block) {
        before->size += block->size;
        before->next = block->next;
    } else {
        before->next = block;
    }
}

void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = malloc(bytes);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

void *realloc(void *memory, size_t wanted) {
    if (memory == NULL)
        return malloc(wanted);
    size_t have = ((struct block *)((char *)memory - HEADER))->size - HEADER;
    if (wanted <= have)
        return memory;
    void *moved = malloc(wanted);
    if (moved != NULL) {
        memcpy(moved, memory, have);
        free(memory);
    }
    return moved;
}

void abort(void) {
    __builtin_trap();
}

/* The compiler makes one instruction of each of the first three. */
void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    return __builtin_memcpy(to, from, length);
}

void *memmove(void *to, const void *from, size_t length) {
    return __builtin_memmove(to, from, length);
}

void *memset(void *to, int byte, size_t length) {
    return __builtin_memset(to, byte, length);
}

int memcmp(const void *a, const void *b, size_t length) {
    const unsigned char *left = a, *right = b;
    for (size_t at = 0; at < length; at++)
        if (left[at] != right[at])
            return left[at] < right[at] ? -1 : 1;
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

/* Spans. */

struct span span(const void *bytes, size_t length) {
    return (struct span){.at = bytes, .length = length};
}

struct span span_of(const char *text) {
    return span(text, strlen(text));
}

bool is(struct span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static bool is_blank(char letter) {
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

static bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

static char first(struct span span) {
    return span.length == 0 ? 0 : span.at[0];
}

static void skip(struct span *span, size_t length) {
    span->at += length;
    span->length -= length;
}

static void skip_blanks(struct span *span) {
    while (is_blank(first(*span)))
        skip(span, 1);
}

struct span next_word(struct span *rest) {
    skip_blanks(rest);
    struct span word = span(rest->at, 0);
    while (rest->length > 0 && !is_blank(first(*rest))) {
        word.length++;
        skip(rest, 1);
    }
    return word;
}

bool whole(struct span text, uint64_t *value) {
    uint64_t sum = 0;
    for (size_t at = 0; at < text.length; at++) {
        if (!is_digit(text.at[at]) || sum > (UINT64_MAX - 9) / 10)
            return false;
        sum = sum * 10 + (uint64_t)(text.at[at] - '0');
    }
    *value = sum;
    return text.length > 0;
}

/* With at most 15 digits the mantissa is a whole number below 2^53, and a power of ten up to 10^22 is a double too: one
 * multiplication or division of two exact numbers is rounded once, to the nearest. */
bool number(struct span text, double *value) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool is_negative = first(text) == '-', has_digits = false, is_fraction = false;
    if (is_negative || first(text) == '+')
        skip(&text, 1);
    uint64_t mantissa = 0;
    int digits = 0, exponent = 0;
    for (; is_digit(first(text)) || (first(text) == '.' && !is_fraction); skip(&text, 1)) {
        if (first(text) == '.') {
            is_fraction = true;
            continue;
        }
        has_digits = true;
        mantissa = mantissa * 10 + (uint64_t)(first(text) - '0');
        digits += mantissa != 0;
        exponent -= is_fraction;
        if (digits > 15)
            return false;
    }
    if (has_digits && (first(text) == 'e' || first(text) == 'E')) {
        skip(&text, 1);
        bool is_small = first(text) == '-';
        if (is_small || first(text) == '+')
            skip(&text, 1);
        uint64_t power;
        if (!whole(text, &power) || power > 400)
            return false;
        exponent += is_small ? -(int)power : (int)power;
        text.length = 0;
    }
    if (!has_digits || text.length > 0 || (mantissa != 0 && (exponent < -22 || exponent > 22)))
        return false;
    double result = (double)mantissa;
    if (mantissa != 0)
        result = exponent < 0 ? result / powers[-exponent] : result * powers[exponent];
    *value = is_negative ? -result : result;
    return true;
}

double float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double no_value(void) {
    return __builtin_nan("");
}

/* Texts. */

/* Writes to `to` unless that is NULL; returns the length. */
static size_t write_text(char *to, const char *format, va_list arguments) {
    size_t length = 0;
    for (; *format != 0; format++) {
        char digits[10];
        struct span part = span(format, 1);
        if (*format == '%' && format[1] != 0) {
            format++;
            if (*format == 's') {
                part = span_of(va_arg(arguments, const char *));
            } else if (*format == 't') {
                part = va_arg(arguments, struct span);
            } else if (*format == 'x') {
                unsigned value = va_arg(arguments, unsigned);
                digits[0] = "0123456789ABCDEF"[value >> 4 & 15];
                digits[1] = "0123456789ABCDEF"[value & 15];
                part = span(digits, 2);
            } else if (*format == 'u') {
                unsigned value = va_arg(arguments, unsigned);
                size_t at = sizeof digits;
                do {
                    digits[--at] = (char)('0' + value % 10);
                    value /= 10;
                } while (value != 0);
                part = span(digits + at, sizeof digits - at);
            } else {
                part = span(format, 1);
            }
        }
        if (to != NULL)
            memcpy(to + length, part.at, part.length);
        length += part.length;
    }
    return length;
}

static tutin_string_t text_of(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    tutin_string_t text = {.len = write_text(NULL, format, arguments)};
    text.ptr = malloc(text.len + 1);
    if (text.ptr == NULL)
        abort();
    write_text((char *)text.ptr, format, again);
    va_end(again);
    return text;
}

tutin_string_t text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    tutin_string_t text = text_of(format, arguments);
    va_end(arguments);
    return text;
}

bool fails(exports_driver_failure_t *failure, enum failure code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *failure = (exports_driver_failure_t){.code = (uint16_t)code, .message = text_of(format, arguments)};
    va_end(arguments);
    return false;
}

/* JSON. */

struct object object(struct span json) {
    skip_blanks(&json);
    if (first(json) != '{')
        return (struct object){.rest = span(json.at, 0)};
    skip(&json, 1);
    return (struct object){.rest = json};
}

static bool quoted(struct span *rest, struct span *text) {
    if (first(*rest) != '"')
        return false;
    skip(rest, 1);
    *text = span(rest->at, 0);
    while (rest->length > 0 && first(*rest) != '"' && first(*rest) != '\\') {
        text->length++;
        skip(rest, 1);
    }
    if (first(*rest) != '"')
        return false;
    skip(rest, 1);
    return true;
}

bool next_member(struct object *object, struct member *member) {
    struct span *rest = &object->rest;
    skip_blanks(rest);
    if (first(*rest) == ',') {
        skip(rest, 1);
        skip_blanks(rest);
    }
    if (first(*rest) == '}') {
        skip(rest, 1);
        skip_blanks(rest);
        object->is_whole = rest->length == 0;
        return false;
    }
    if (!quoted(rest, &member->name))
        return false;
    skip_blanks(rest);
    if (first(*rest) != ':')
        return false;
    skip(rest, 1);
    skip_blanks(rest);
    member->is_text = first(*rest) == '"';
    if (member->is_text)
        return quoted(rest, &member->value);
    member->value = span(rest->at, 0);
    while (rest->length > 0 && !is_blank(first(*rest)) && first(*rest) != ',' && first(*rest) != '}') {
        if (first(*rest) == '{' || first(*rest) == '[' || first(*rest) == '"')
            return false;
        member->value.length++;
        skip(rest, 1);
    }
    return member->value.length > 0;
}

/* Samples. */

static void *one_more(void *column, size_t length, size_t size) {
    void *grown = realloc(column, (length + 1) * size);
    if (grown == NULL)
        abort();
    return grown;
}

void sample(exports_driver_batch_t *batch, uint16_t point, double value, enum state state) {
    batch->points.ptr = one_more(batch->points.ptr, batch->points.len, sizeof *batch->points.ptr);
    batch->values.ptr = one_more(batch->values.ptr, batch->values.len, sizeof *batch->values.ptr);
    batch->states.ptr = one_more(batch->states.ptr, batch->states.len, sizeof *batch->states.ptr);
    batch->points.ptr[batch->points.len++] = point;
    batch->values.ptr[batch->values.len++] = value;
    batch->states.ptr[batch->states.len++] = (uint8_t)state;
}

void with_status(exports_driver_batch_t *batch, uint64_t status) {
    batch->statuses.ptr = one_more(batch->statuses.ptr, batch->statuses.len, sizeof status);
    batch->statuses.ptr[batch->statuses.len++] = status;
}

void with_raw(exports_driver_batch_t *batch, uint64_t raw) {
    batch->raws.ptr = one_more(batch->raws.ptr, batch->raws.len, sizeof raw);
    batch->raws.ptr[batch->raws.len++] = raw;
}

void with_time(exports_driver_batch_t *batch, int64_t time) {
    batch->times.ptr = one_more(batch->times.ptr, batch->times.len, sizeof time);
    batch->times.ptr[batch->times.len++] = time;
}

/* What a driver need not have. One that has it defines it, and these are not taken. */

#define OPTIONAL __attribute__((weak))

OPTIONAL bool exports_driver_method_device_backfill(exports_driver_borrow_device_t self, int64_t begin, int64_t end,
                                                    tutin_string_t *next, exports_driver_history_t *ret,
                                                    exports_driver_failure_t *err) {
    tutin_string_free(next);
    return fails(err, UNSUPPORTED, "this driver has no backfill");
}

OPTIONAL bool exports_driver_method_device_command(exports_driver_borrow_device_t self, tutin_string_t *name,
                                                   tutin_string_t *arguments, tutin_string_t *ret,
                                                   exports_driver_failure_t *err) {
    fails(err, UNSUPPORTED, "this driver has no command \"%t\"", span(name->ptr, name->len));
    tutin_string_free(name);
    tutin_string_free(arguments);
    return false;
}

OPTIONAL void exports_driver_method_device_snapshot(exports_driver_borrow_device_t self, tutin_list_u8_t *ret) {
    *ret = (tutin_list_u8_t){0};
}

OPTIONAL bool exports_driver_method_device_restore(exports_driver_borrow_device_t self, tutin_list_u8_t *state,
                                                   exports_driver_failure_t *err) {
    tutin_list_u8_free(state);
    return fails(err, UNSUPPORTED, "this driver has no snapshots");
}

OPTIONAL void exports_driver_device_destructor(exports_driver_device_t *device) {
    free(device);
}
