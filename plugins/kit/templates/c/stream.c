/* An instrument on a serial line or TCP that answers a line of text: `01 READ` is answered with `01 12.5 ppb OK`.
 *
 * The instrument is an example that does not exist. Replace it by yours, here and in cases/. */
#include "runtime.h"

/* A device as its settings describe it. */
struct exports_driver_device_t {
    stream_own_link_t link;
    unsigned id;
};

void exports_driver_describe(exports_driver_description_t *ret) {
    exports_driver_link_want_t *link = calloc(1, sizeof *link);
    link->name = text("main");
    link->capability = text("tutin:stream/client");
    link->purpose = text("the instrument");
    *ret = (exports_driver_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .settings = text("{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"id\"], \"properties\": {"
                         "\"id\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 99, "
                         "\"description\": \"Address of the instrument on its line. Range: 1 to 99.\"}}}"),
        .links = {.ptr = link, .len = 1},
    };
}

/* Reads the settings; false with the failure filled in. */
static bool read_settings(tutin_string_t *json, uint64_t *id, exports_driver_failure_t *err) {
    struct object settings = object(span(json->ptr, json->len));
    struct member member;
    *id = 0;
    while (next_member(&settings, &member)) {
        if (!is(member.name, "id"))
            return fails(err, SETTINGS, "settings.%t: unknown, expected id", member.name);
        if (member.is_text || !whole(member.value, id) || *id < 1 || *id > 99)
            return fails(err, SETTINGS, "settings.id: must be 1 to 99");
    }
    if (!settings.is_whole)
        return fails(err, SETTINGS, "settings: not an object of plain members");
    return *id != 0 || fails(err, SETTINGS, "settings.id: missing");
}

/* Opens the link and sends nothing: an instrument that is switched off must still open. */
bool exports_driver_static_device_open(tutin_string_t *settings, exports_driver_own_device_t *ret,
                                       exports_driver_failure_t *err) {
    uint64_t id;
    bool is_read = read_settings(settings, &id, err);
    tutin_string_free(settings);
    if (!is_read)
        return false;
    tutin_list_u8_t end = {.ptr = (uint8_t *)"\r", .len = 1};
    stream_framing_t framing = {.ends = {.ptr = &end, .len = 1}, .longest = 4096};
    tutin_string_t name = {.ptr = (uint8_t *)"main", .len = 4};
    stream_own_link_t link;
    stream_error_t error;
    if (!stream_static_link_open(&name, &link, &error)
        || !stream_method_link_frames(stream_borrow_link(link), &framing, false, &error))
        return fails(err, SETTINGS, "the link cannot be opened");
    exports_driver_device_t *device = calloc(1, sizeof *device);
    *device = (exports_driver_device_t){.link = link, .id = (unsigned)id};
    *ret = exports_driver_device_new(device);
    return true;
}

void exports_driver_method_device_points(exports_driver_borrow_device_t self, exports_driver_list_point_t *ret) {
    exports_driver_point_t *points = calloc(1, sizeof *points);
    points[0] = (exports_driver_point_t){.id = text("value"), .label = text("Concentration"), .unit = text("[ppb]")};
    *ret = (exports_driver_list_point_t){.ptr = points, .len = 1};
}

static enum state state_of(struct span status) {
    return is(status, "OK") ? VALID : is(status, "WARM") ? WARM_UP : is(status, "CAL") ? CALIBRATION : FAULT;
}

/* `01 12.5 ppb OK`: the instrument, the value, its unit, and what the instrument says of it. */
static bool decode(struct span reply, unsigned id, double *value, enum state *state) {
    uint64_t from;
    struct span words[5];
    for (int at = 0; at < 5; at++)
        words[at] = next_word(&reply);
    *state = state_of(words[3]);
    return whole(words[0], &from) && from == id && number(words[1], value) && is(words[2], "ppb")
           && words[3].length > 0 && words[4].length == 0;
}

/* What went wrong on the line, as a failure. */
static bool line_fails(exports_driver_failure_t *err, const char *what, stream_error_t *error) {
    struct span why = span(error->val.other.ptr, error->val.other.len);
    switch (error->tag) {
    case STREAM_ERROR_TIMEOUT:
        return fails(err, COMMUNICATION, "%s: timeout", what);
    case STREAM_ERROR_CLOSED:
        fails(err, COMMUNICATION, "%s: no connection: %t", what, why);
        break;
    case STREAM_ERROR_BAD_REQUEST:
        fails(err, SETTINGS, "%s: bad request: %t", what, why);
        break;
    case STREAM_ERROR_BAD_RESPONSE:
        fails(err, DEVICE, "%s: bad response: %t", what, why);
        break;
    default:
        fails(err, DEVICE, "%s: %t", what, why);
    }
    stream_error_free(error);
    return false;
}

bool exports_driver_method_device_poll(exports_driver_borrow_device_t self, int64_t now, exports_driver_batch_t *ret,
                                       exports_driver_failure_t *err) {
    tutin_string_t request = self->id < 10 ? text("0%u READ\r", self->id) : text("%u READ\r", self->id);
    tutin_list_u8_t bytes = {.ptr = request.ptr, .len = request.len};
    stream_exchange_t exchange = {.frames = 1};
    tutin_list_list_u8_t frames;
    stream_error_t error;
    bool is_answered = stream_method_link_request(stream_borrow_link(self->link), &bytes, &exchange, &frames, &error);
    tutin_string_free(&request);
    if (!is_answered)
        return line_fails(err, "READ", &error);
    double value;
    enum state state;
    struct span reply = frames.len == 1 ? span(frames.ptr[0].ptr, frames.ptr[0].len) : span("", 0);
    bool is_known = decode(reply, self->id, &value, &state);
    tutin_list_list_u8_free(&frames);
    if (!is_known)
        return fails(err, DEVICE, "READ: not a reply that this driver knows");
    *ret = (exports_driver_batch_t){0};
    sample(ret, 0, value, state);
    return true;
}
