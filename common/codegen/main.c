/* main.c - protoc-gen-fokus: reads protoc's request from standard input, writes its response to standard output. */
#include "common/codegen/codegen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File ResponseFile;

/* The end of the process gives the memory back; the leak checker need not count it. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void send_response(Response *response)
{
    struct buf bytes = BUF_INIT(8 * (size_t)MAX_GENERATED);
    size_t len = google__protobuf__compiler__code_generator_response__get_packed_size(response);
    uint8_t *out = buf_reserve(&bytes, len);

    if (!out || google__protobuf__compiler__code_generator_response__pack(response, out) != len ||
        fwrite(out, 1, len, stdout) != len || fflush(stdout) != 0) {
        fputs("protoc-gen-fokus: cannot write the response\n", stderr);
        exit(1);
    }
}

void refuse(const char *format, ...)
{
    Response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    va_list args;

    va_start(args, format);
    if (vasprintf(&response.error, format, args) < 0)
        abort();
    va_end(args);
    send_response(&response);
    exit(0); /* protoc prints the error and fails. */
}

static Request *read_request(void)
{
    struct buf bytes = BUF_INIT(8 * (size_t)MAX_GENERATED);
    Request *request;
    ssize_t n;

    do {
        uint8_t *room = buf_reserve(&bytes, 65536);
        n = room ? read(STDIN_FILENO, room, 65536) : -1;
        bytes.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    request = n < 0 ? NULL
                    : google__protobuf__compiler__code_generator_request__unpack(NULL, bytes.len,
                                                                                 bytes.data);
    if (!request) {
        fputs("protoc-gen-fokus: standard input is not a CodeGeneratorRequest; protoc starts this "
              "program\n",
              stderr);
        exit(1);
    }
    return request;
}

static void add_file(Response *response, const struct model *m, const FileProto *file,
                     const char *extension,
                     void (*write)(struct buf *, const struct model *, const FileProto *))
{
    ResponseFile *out = zeroed(1, sizeof(*out));
    struct buf b = BUF_INIT(MAX_GENERATED);

    google__protobuf__compiler__code_generator_response__file__init(out);
    write(&b, m, file);
    buf_append_byte(&b, 0);
    if (b.failed)
        refuse("%s: what is generated from it would not fit in %d bytes", file->name,
               MAX_GENERATED);
    out->name = text("%s%s", file_base(file), extension);
    out->content = (char *)b.data;
    response->file[response->n_file++] = out;
}

int main(void)
{
    Response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    Request *request = read_request();
    struct model m;

    model_build(&m, request);
    /* Saying that optional is understood lets our own refusal, which says what to do, come first. */
    response.has_supported_features = true;
    response.supported_features = 1;
    response.file = zeroed(2 * request->n_file_to_generate, sizeof(*response.file));
    for (size_t i = 0; i < request->n_file_to_generate; i++) {
        const FileProto *file = model_file(&m, request->file_to_generate[i]);
        if (!file)
            refuse("%s: its descriptor is missing from the request", request->file_to_generate[i]);
        add_file(&response, &m, file, ".fokus.h", write_header);
        if (file->n_service)
            add_file(&response, &m, file, ".fokus.c", write_source);
    }
    send_response(&response);
    return 0;
}
