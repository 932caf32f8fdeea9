/* An instrument that publishes JSON to a broker: `{"value": 12.5, "status": "ok"}`.
 *
 * The instrument is an example that does not exist. Replace it by yours, here and in cases/. */
#include "runtime.h"

/* A device. */
struct exports_driver_device_t {
    mqtt_own_link_t link;
};

void exports_driver_describe(exports_driver_description_t *ret) {
    exports_driver_link_want_t *link = calloc(1, sizeof *link);
    link->name = text("main");
    link->capability = text("tutin:mqtt/client");
    link->purpose = text("the broker");
    *ret = (exports_driver_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .settings = text("{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"qos\"], \"properties\": {"
                         "\"qos\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 2, "
                         "\"description\": \"Quality of service of the subscription. Range: 0 to 2.\"}}}"),
        .links = {.ptr = link, .len = 1},
    };
}

/* Reads the settings; false with the failure filled in. */
static bool read_settings(tutin_string_t *json, uint64_t *qos, exports_driver_failure_t *err) {
    struct object settings = object(span(json->ptr, json->len));
    struct member member;
    bool is_there = false;
    while (next_member(&settings, &member)) {
        if (!is(member.name, "qos"))
            return fails(err, SETTINGS, "settings.%t: unknown, expected qos", member.name);
        is_there = !member.is_text && whole(member.value, qos) && *qos <= 2;
        if (!is_there)
            return fails(err, SETTINGS, "settings.qos: must be 0 to 2");
    }
    if (!settings.is_whole)
        return fails(err, SETTINGS, "settings: not an object of plain members");
    return is_there || fails(err, SETTINGS, "settings.qos: missing");
}

/* Subscribes to the topics that the configuration grants this device. */
bool exports_driver_static_device_open(tutin_string_t *settings, exports_driver_own_device_t *ret,
                                       exports_driver_failure_t *err) {
    uint64_t qos;
    bool is_read = read_settings(settings, &qos, err);
    tutin_string_free(settings);
    if (!is_read)
        return false;
    tutin_string_t name = {.ptr = (uint8_t *)"main", .len = 4};
    mqtt_own_link_t link;
    mqtt_error_t error;
    if (!mqtt_static_link_open(&name, &link, &error))
        return fails(err, SETTINGS, "the link cannot be opened");
    tutin_list_string_t topics;
    mqtt_method_link_granted(mqtt_borrow_link(link), &topics);
    bool is_subscribed = mqtt_method_link_subscribe(mqtt_borrow_link(link), &topics, (uint8_t)qos, &error);
    tutin_list_string_free(&topics);
    if (!is_subscribed)
        return fails(err, SETTINGS, "the topics cannot be subscribed");
    exports_driver_device_t *device = calloc(1, sizeof *device);
    *device = (exports_driver_device_t){.link = link};
    *ret = exports_driver_device_new(device);
    return true;
}

void exports_driver_method_device_points(exports_driver_borrow_device_t self, exports_driver_list_point_t *ret) {
    exports_driver_point_t *points = calloc(1, sizeof *points);
    points[0] = (exports_driver_point_t){.id = text("value"), .label = text("Concentration"), .unit = text("[ppb]")};
    *ret = (exports_driver_list_point_t){.ptr = points, .len = 1};
}

static enum state state_of(struct span status) {
    return is(status, "ok") ? VALID : is(status, "warm-up") ? WARM_UP : is(status, "calibration") ? CALIBRATION : FAULT;
}

/* A message that cannot be read is a sample too: the instrument has spoken, and nobody knows what it measured. */
static void take(mqtt_message_t *message, exports_driver_batch_t *batch) {
    struct object payload = object(span(message->payload.ptr, message->payload.len));
    struct member member;
    double value;
    bool has_value = false, has_status = false;
    enum state state = FAULT;
    while (next_member(&payload, &member)) {
        if (is(member.name, "value"))
            has_value = !member.is_text && number(member.value, &value);
        if (is(member.name, "status")) {
            has_status = true;
            state = state_of(member.value);
        }
    }
    if (payload.is_whole && has_value && has_status)
        sample(batch, 0, value, state);
    else
        sample(batch, 0, no_value(), FAULT);
    with_time(batch, message->at);
}

/* A message wakes the poll, which takes what has come. */
bool exports_driver_method_device_poll(exports_driver_borrow_device_t self, int64_t now, exports_driver_batch_t *ret,
                                       exports_driver_failure_t *err) {
    mqtt_incoming_t incoming;
    mqtt_error_t error;
    if (!mqtt_method_link_receive(mqtt_borrow_link(self->link), 1000, &incoming, &error)) {
        mqtt_error_free(&error);
        return fails(err, COMMUNICATION, "the messages cannot be taken");
    }
    if (!incoming.connected && incoming.messages.len == 0)
        return fails(err, COMMUNICATION, "no connection to the broker");
    *ret = (exports_driver_batch_t){.more = incoming.more};
    for (size_t at = 0; at < incoming.messages.len; at++)
        take(&incoming.messages.ptr[at], ret);
    mqtt_incoming_free(&incoming);
    return true;
}
