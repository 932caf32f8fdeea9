/* Siemens SITRANS F M MAG 6000, flow transmitter, over Modbus: volume flow and totaliser 1.
 *
 * Holding registers, addresses from 0 as in the manual's address column:
 *
 *   601   255 running, 0 stopped          3002   volume flow, f32, m3/s
 *   602   24 for a MAG 6000               3014   totaliser 1, f64, m3
 */
#include "runtime.h"

enum { RUN = 601, FLOW = 3002, TOTAL = 3014 };
enum { RUNNING = 255, MAG_6000 = 24 };

/* Largest number of words in a request of this driver. */
enum { MOST = 4 };

/* A device as its settings describe it. */
struct exports_driver_device_t {
    modbus_own_link_t link;
    bool is_low_first;
};

void exports_driver_describe(exports_driver_description_t *ret) {
    exports_driver_link_want_t *link = calloc(1, sizeof *link);
    link->name = text("main");
    link->capability = text("tutin:modbus/client");
    link->purpose = text("the transmitter");
    tutin_string_t *model = malloc(sizeof *model);
    *model = text("SITRANS F M MAG 6000");
    *ret = (exports_driver_description_t){
        .name = text("c-mag6000"),
        .version = text("0.1.0"),
        .vendor = text("Siemens"),
        .models = {.ptr = model, .len = 1},
        .settings = text("{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"word_order\"], \"properties\": {"
                         "\"word_order\": {\"enum\": [\"high_first\", \"low_first\"], \"description\": "
                         "\"Which word of a number comes first. The manual does not say: compare with the display.\"}}}"),
        .links = {.ptr = link, .len = 1},
    };
}

/* Reads the settings; false with the failure filled in. */
static bool read_settings(tutin_string_t *json, bool *is_low_first, exports_driver_failure_t *err) {
    struct object settings = object(span(json->ptr, json->len));
    struct member member;
    bool is_there = false;
    while (next_member(&settings, &member)) {
        if (!is(member.name, "word_order"))
            return fails(err, SETTINGS, "settings.%t: unknown, expected word_order", member.name);
        *is_low_first = is(member.value, "low_first");
        is_there = member.is_text && (*is_low_first || is(member.value, "high_first"));
        if (!is_there)
            return fails(err, SETTINGS, "settings.word_order: must be high_first or low_first");
    }
    if (!settings.is_whole)
        return fails(err, SETTINGS, "settings: not an object of plain members");
    return is_there || fails(err, SETTINGS, "settings.word_order: missing");
}

bool exports_driver_static_device_open(tutin_string_t *settings, exports_driver_own_device_t *ret,
                                       exports_driver_failure_t *err) {
    bool is_low_first;
    bool is_read = read_settings(settings, &is_low_first, err);
    tutin_string_free(settings);
    if (!is_read)
        return false;
    tutin_string_t name = {.ptr = (uint8_t *)"main", .len = 4};
    modbus_own_link_t link;
    modbus_error_t error;
    if (!modbus_static_link_open(&name, &link, &error))
        return fails(err, SETTINGS, "the link cannot be opened");
    exports_driver_device_t *device = calloc(1, sizeof *device);
    *device = (exports_driver_device_t){.link = link, .is_low_first = is_low_first};
    *ret = exports_driver_device_new(device);
    return true;
}

void exports_driver_method_device_points(exports_driver_borrow_device_t self, exports_driver_list_point_t *ret) {
    exports_driver_point_t *points = calloc(2, sizeof *points);
    points[0] = (exports_driver_point_t){.id = text("flow"), .label = text("Volume flow"), .unit = text("m3/s")};
    points[1] = (exports_driver_point_t){.id = text("total1"), .label = text("Totaliser 1"), .unit = text("m3")};
    *ret = (exports_driver_list_point_t){.ptr = points, .len = 2};
}

/* What went wrong with a request, as a failure. */
static bool request_fails(exports_driver_failure_t *err, unsigned address, modbus_error_t *error) {
    struct span why = span(error->val.other.ptr, error->val.other.len);
    switch (error->tag) {
    case MODBUS_ERROR_TIMEOUT:
        return fails(err, COMMUNICATION, "holding registers from %u: timeout", address);
    case MODBUS_ERROR_EXCEPTION:
        return fails(err, DEVICE, "holding registers from %u: exception %u", address, (unsigned)error->val.exception);
    case MODBUS_ERROR_CLOSED:
        fails(err, COMMUNICATION, "holding registers from %u: no connection: %t", address, why);
        break;
    case MODBUS_ERROR_BAD_REQUEST:
        fails(err, SETTINGS, "holding registers from %u: bad request: %t", address, why);
        break;
    default:
        fails(err, DEVICE, "holding registers from %u: %t", address, why);
    }
    modbus_error_free(error);
    return false;
}

/* Reads so many words from an address on; false with the failure filled in. */
static bool read_words(exports_driver_borrow_device_t self, uint16_t address, uint16_t count, uint16_t words[MOST],
                       exports_driver_failure_t *err) {
    tutin_list_u16_t read;
    modbus_error_t error;
    if (!modbus_method_link_read_holding_registers(modbus_borrow_link(self->link), address, count, &read, &error))
        return request_fails(err, address, &error);
    bool is_complete = read.len == count;
    if (is_complete)
        memcpy(words, read.ptr, count * sizeof *words);
    tutin_list_u16_free(&read);
    return is_complete || fails(err, DEVICE, "holding registers from %u: too few words", (unsigned)address);
}

/* The bits of the number in these words. */
static uint64_t joined(exports_driver_borrow_device_t self, const uint16_t *words, int count) {
    uint64_t bits = 0;
    for (int at = 0; at < count; at++)
        bits = bits << 16 | words[self->is_low_first ? count - 1 - at : at];
    return bits;
}

/* A transmitter that is stopped has no good flow; one of another product is not what this driver reads. */
static enum state state_of(uint16_t run, uint16_t product) {
    return product != MAG_6000 ? FAULT : run == RUNNING ? VALID : SUSPECT;
}

bool exports_driver_method_device_poll(exports_driver_borrow_device_t self, int64_t now, exports_driver_batch_t *ret,
                                       exports_driver_failure_t *err) {
    uint16_t about[MOST], flow[MOST], total[MOST];
    if (!read_words(self, RUN, 2, about, err) || !read_words(self, FLOW, 2, flow, err)
        || !read_words(self, TOTAL, 4, total, err))
        return false;
    enum state state = state_of(about[0], about[1]);
    uint64_t status = (uint64_t)about[0] << 16 | about[1];
    uint64_t flow_bits = joined(self, flow, 2), total_bits = joined(self, total, 4);
    *ret = (exports_driver_batch_t){0};
    sample(ret, 0, float_of((uint32_t)flow_bits), state);
    with_status(ret, status);
    with_raw(ret, flow_bits);
    sample(ret, 1, double_of(total_bits), state);
    with_status(ret, status);
    with_raw(ret, total_bits);
    return true;
}
