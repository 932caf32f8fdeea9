/* An instrument with an OPC UA server: the value of one variable, with the status that the server gives it.
 *
 * The instrument is an example that does not exist. Replace it by yours, here and in cases/. */
#include "runtime.h"

/* A device as its settings describe it. */
struct exports_driver_device_t {
    opcua_own_link_t link;
    opcua_node_t node;
    tutin_string_t unit;
};

void exports_driver_describe(exports_driver_description_t *ret) {
    exports_driver_link_want_t *link = calloc(1, sizeof *link);
    link->name = text("main");
    link->capability = text("tutin:opcua/client");
    link->purpose = text("the instrument's server");
    *ret = (exports_driver_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .settings = text("{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"node\", \"unit\"], \"properties\": {"
                         "\"node\": {\"type\": \"string\", "
                         "\"description\": \"The variable that is read, as in nsu=http://vendor.example/;s=NO.\"}, "
                         "\"unit\": {\"type\": \"string\", \"description\": \"UCUM code of its unit, as in [ppb].\"}}}"),
        .links = {.ptr = link, .len = 1},
    };
}

/* `nsu=URI;s=NAME`: the namespace, and the identifier in it. */
static bool read_node(struct span text_of_node, opcua_node_t *node) {
    struct span rest = text_of_node;
    if (rest.length < 4 || memcmp(rest.at, "nsu=", 4) != 0)
        return false;
    struct span namespace = span(rest.at + 4, 0);
    while (namespace.length < rest.length - 4 && namespace.at[namespace.length] != ';')
        namespace.length++;
    size_t used = 4 + namespace.length + 1;
    if (used >= rest.length)
        return false;
    node->namespace_ = text("%t", namespace);
    node->identifier = text("%t", span(rest.at + used, rest.length - used));
    return true;
}

/* Reads the settings; false with the failure filled in. */
static bool read_settings(tutin_string_t *json, exports_driver_device_t *device, exports_driver_failure_t *err) {
    struct object settings = object(span(json->ptr, json->len));
    struct member member;
    while (next_member(&settings, &member)) {
        if (is(member.name, "node")) {
            if (!member.is_text || !read_node(member.value, &device->node))
                return fails(err, SETTINGS, "settings.node: must be nsu=URI;s=NAME (or i=, g=, b=)");
        } else if (is(member.name, "unit")) {
            if (!member.is_text)
                return fails(err, SETTINGS, "settings.unit: must be a text");
            device->unit = text("%t", member.value);
        } else {
            return fails(err, SETTINGS, "settings.%t: unknown, expected node or unit", member.name);
        }
    }
    if (!settings.is_whole)
        return fails(err, SETTINGS, "settings: not an object of plain members");
    if (device->node.identifier.ptr == NULL)
        return fails(err, SETTINGS, "settings.node: missing");
    return device->unit.ptr != NULL || fails(err, SETTINGS, "settings.unit: missing");
}

/* Opens the link and asks nothing: a server that is switched off must still open. */
bool exports_driver_static_device_open(tutin_string_t *settings, exports_driver_own_device_t *ret,
                                       exports_driver_failure_t *err) {
    exports_driver_device_t *device = calloc(1, sizeof *device);
    bool is_read = read_settings(settings, device, err);
    tutin_string_free(settings);
    if (!is_read)
        return false;
    tutin_string_t name = {.ptr = (uint8_t *)"main", .len = 4};
    opcua_error_t error;
    if (!opcua_static_link_open(&name, &device->link, &error))
        return fails(err, SETTINGS, "the link cannot be opened");
    *ret = exports_driver_device_new(device);
    return true;
}

void exports_driver_method_device_points(exports_driver_borrow_device_t self, exports_driver_list_point_t *ret) {
    exports_driver_point_t *points = calloc(1, sizeof *points);
    struct span unit = span(self->unit.ptr, self->unit.len);
    points[0] = (exports_driver_point_t){.id = text("value"), .label = text("Concentration"), .unit = text("%t", unit)};
    *ret = (exports_driver_list_point_t){.ptr = points, .len = 1};
}

/* What went wrong with a call, as a failure. */
static bool call_fails(exports_driver_failure_t *err, opcua_error_t *error) {
    struct span why = span(error->val.other.ptr, error->val.other.len);
    switch (error->tag) {
    case OPCUA_ERROR_TIMEOUT:
        return fails(err, COMMUNICATION, "reading: timeout");
    case OPCUA_ERROR_STATUS:
        return fails(err, DEVICE, "reading: the server refuses");
    case OPCUA_ERROR_CLOSED:
        fails(err, COMMUNICATION, "reading: no session: %t", why);
        break;
    case OPCUA_ERROR_BAD_REQUEST:
        fails(err, SETTINGS, "reading: bad request: %t", why);
        break;
    default:
        fails(err, DEVICE, "reading: %t", why);
    }
    opcua_error_free(error);
    return false;
}

/* A number as it is, and its bits. */
static bool number_of(opcua_value_t *value, double *result, uint64_t *raw) {
    switch (value->tag) {
    case OPCUA_VALUE_FLOAT: {
        uint32_t bits;
        memcpy(&bits, &value->val.float_, sizeof bits);
        *raw = bits;
        *result = value->val.float_;
        return true;
    }
    case OPCUA_VALUE_DOUBLE:
        memcpy(raw, &value->val.double_, sizeof *raw);
        *result = value->val.double_;
        return true;
    case OPCUA_VALUE_INTEGER:
        *raw = (uint64_t)value->val.integer;
        *result = (double)value->val.integer;
        return true;
    case OPCUA_VALUE_UNSIGNED:
        *raw = value->val.unsigned_;
        *result = (double)value->val.unsigned_;
        return true;
    default:
        return false;
    }
}

/* The two highest bits of a status: 0 good, 1 uncertain, 2 bad. */
static enum state state_of(uint32_t status) {
    return status >> 30 == 0 ? VALID : status >> 30 == 1 ? SUSPECT : FAULT;
}

bool exports_driver_method_device_poll(exports_driver_borrow_device_t self, int64_t now, exports_driver_batch_t *ret,
                                       exports_driver_failure_t *err) {
    opcua_list_node_t nodes = {.ptr = &self->node, .len = 1};
    opcua_list_data_value_t values;
    opcua_error_t error;
    if (!opcua_method_link_read(opcua_borrow_link(self->link), &nodes, 13, &values, &error))
        return call_fails(err, &error);
    double value = no_value();
    uint64_t raw = 0;
    bool is_number = values.len == 1 && number_of(&values.ptr[0].value, &value, &raw);
    uint32_t status = values.len == 1 ? values.ptr[0].status : 0;
    int64_t time = values.len == 1 ? values.ptr[0].source_time : 0;
    opcua_list_data_value_free(&values);
    if (!is_number && state_of(status) == VALID)
        return fails(err, DEVICE, "the variable is good, and no number");
    *ret = (exports_driver_batch_t){0};
    sample(ret, 0, value, state_of(status));
    with_status(ret, status);
    with_raw(ret, raw);
    if (time != 0)
        with_time(ret, time);
    return true;
}
