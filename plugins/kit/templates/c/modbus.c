/* An instrument with Modbus: a concentration in holding registers 0 and 1, and a status word in 2.
 *
 * The instrument is an example that does not exist. Replace it by yours, here and in cases/. */
#include "runtime.h"

/* A device as its settings describe it. */
struct exports_driver_device_t {
    modbus_own_link_t link;
    bool is_low_first;
};

void exports_driver_describe(exports_driver_description_t *ret) {
    exports_driver_link_want_t *link = calloc(1, sizeof *link);
    link->name = text("main");
    link->capability = text("tutin:modbus/client");
    link->purpose = text("the instrument");
    *ret = (exports_driver_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .settings = text("{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"word_order\"], \"properties\": {"
                         "\"word_order\": {\"enum\": [\"high_first\", \"low_first\"], "
                         "\"description\": \"Which of the two words of a number comes first.\"}}}"),
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

/* Opens the link and sends nothing: an instrument that is switched off must still open. */
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
    exports_driver_point_t *points = calloc(1, sizeof *points);
    points[0] = (exports_driver_point_t){.id = text("value"), .label = text("Concentration"), .unit = text("[ppb]")};
    *ret = (exports_driver_list_point_t){.ptr = points, .len = 1};
}

/* Bit 0: fault. Bit 1: maintenance. Bit 2: calibration. Any other bit is one that this driver does not know. */
static enum state state_of(uint16_t status) {
    return status == 0   ? VALID
           : status & 1u ? FAULT
           : status & 2u ? MAINTENANCE
           : status & 4u ? CALIBRATION
                         : SUSPECT;
}

/* What went wrong with a request, as a failure. */
static bool request_fails(exports_driver_failure_t *err, const char *what, modbus_error_t *error) {
    struct span why = span(error->val.other.ptr, error->val.other.len);
    switch (error->tag) {
    case MODBUS_ERROR_TIMEOUT:
        return fails(err, COMMUNICATION, "%s: timeout", what);
    case MODBUS_ERROR_EXCEPTION:
        return fails(err, DEVICE, "%s: exception %u", what, (unsigned)error->val.exception);
    case MODBUS_ERROR_CLOSED:
        fails(err, COMMUNICATION, "%s: no connection: %t", what, why);
        break;
    case MODBUS_ERROR_BAD_REQUEST:
        fails(err, SETTINGS, "%s: bad request: %t", what, why);
        break;
    case MODBUS_ERROR_BAD_RESPONSE:
        fails(err, DEVICE, "%s: bad response: %t", what, why);
        break;
    default:
        fails(err, DEVICE, "%s: %t", what, why);
    }
    modbus_error_free(error);
    return false;
}

/* One request reads all. */
bool exports_driver_method_device_poll(exports_driver_borrow_device_t self, int64_t now, exports_driver_batch_t *ret,
                                       exports_driver_failure_t *err) {
    tutin_list_u16_t words;
    modbus_error_t error;
    if (!modbus_method_link_read_holding_registers(modbus_borrow_link(self->link), 0, 3, &words, &error))
        return request_fails(err, "holding registers 0 to 2", &error);
    if (words.len != 3) {
        tutin_list_u16_free(&words);
        return fails(err, DEVICE, "holding registers 0 to 2: not three words");
    }
    uint32_t first = words.ptr[0], second = words.ptr[1];
    uint16_t status = words.ptr[2];
    uint32_t raw = self->is_low_first ? second << 16 | first : first << 16 | second;
    tutin_list_u16_free(&words);
    *ret = (exports_driver_batch_t){0};
    sample(ret, 0, float_of(raw), state_of(status));
    with_raw(ret, raw);
    with_status(ret, status);
    return true;
}
