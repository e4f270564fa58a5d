#include "transcode.h"

#include <stdlib.h>
#include <string.h>

/* Where a compressor writes to: memory that grows. libjpeg's own destination keeps no valid pointer to it while it
 * writes, so that nothing could be freed after an error. */
typedef struct {
    struct jpeg_destination_mgr base; /* first, as libjpeg hands out a pointer to it */
    unsigned char *bytes;
    size_t size;
    size_t length;
} output;

#define FIRST_SIZE ((size_t)1 << 18)

static void grow(j_compress_ptr info, size_t size) {
    output *to = (output *)info->dest;
    unsigned char *bytes = realloc(to->bytes, size);
    if (bytes == NULL)
        tf_jpeg_errors_raise((tf_jpeg_errors *)info->err, TF_JPEG_MEMORY, "no memory to write to");
    to->base.next_output_byte = bytes + to->size;
    to->base.free_in_buffer = size - to->size;
    to->bytes = bytes;
    to->size = size;
}

static void begin_output(j_compress_ptr info) {
    grow(info, FIRST_SIZE);
}

/* Called with the memory full. */
static boolean extend_output(j_compress_ptr info) {
    grow(info, 2 * ((output *)info->dest)->size);
    return TRUE;
}

static void end_output(j_compress_ptr info) {
    output *to = (output *)info->dest;
    to->length = to->size - to->base.free_in_buffer;
}

static void output_init(output *to, tf_jpeg_bytes *out) {
    out->bytes = NULL;
    out->length = 0;
    memset(to, 0, sizeof *to);
    to->base.init_destination = begin_output;
    to->base.empty_output_buffer = extend_output;
    to->base.term_destination = end_output;
}

/* Gives what was written to the caller, or frees it after an error. */
static int output_close(output *from, tf_jpeg_bytes *to, const tf_jpeg_report *report) {
    if (report->code == TF_JPEG_DONE) {
        to->bytes = from->bytes;
        to->length = from->length;
    } else {
        free(from->bytes);
    }
    return report->code;
}

int tf_jpeg_transcode(const uint8_t *bytes, size_t length, uint32_t interval, tf_jpeg_bytes *out,
                      tf_jpeg_report *report) {
    struct jpeg_decompress_struct from;
    struct jpeg_compress_struct to;
    tf_jpeg_errors errors;
    jvirt_barray_ptr *coefficients;
    output written;

    output_init(&written, out);
    from.err = tf_jpeg_errors_init(&errors);
    to.err = from.err;
    tf_jpeg_errors_begin(&errors, report);
    /* Objects without memory may be destroyed whether or not they were created. */
    from.mem = NULL;
    to.mem = NULL;
    if (setjmp(errors.escape) == 0) {
        jpeg_create_decompress(&from);
        jpeg_create_compress(&to);
        jpeg_mem_src(&from, bytes, length);
        jpeg_read_header(&from, TRUE);
        if (from.data_precision != 8 || (from.num_components != 1 && from.num_components != 3))
            tf_jpeg_errors_raise(&errors, TF_JPEG_UNSUPPORTED, "neither grey nor three components of 8 bits");
        coefficients = jpeg_read_coefficients(&from);
        jpeg_copy_critical_parameters(&from, &to);
        to.optimize_coding = TRUE;
        to.restart_interval = interval;
        to.dest = &written.base;
        jpeg_write_coefficients(&to, coefficients);
        jpeg_finish_compress(&to);
        jpeg_finish_decompress(&from);
    }
    jpeg_destroy_compress(&to);
    jpeg_destroy_decompress(&from);
    return output_close(&written, out, report);
}

int tf_jpeg_encode(const uint8_t *rgb, uint32_t width, uint32_t height, uint32_t quality, uint32_t interval,
                   tf_jpeg_bytes *out, tf_jpeg_report *report) {
    struct jpeg_compress_struct to;
    tf_jpeg_errors errors;
    output written;

    output_init(&written, out);
    to.err = tf_jpeg_errors_init(&errors);
    tf_jpeg_errors_begin(&errors, report);
    to.mem = NULL;
    if (setjmp(errors.escape) == 0) {
        jpeg_create_compress(&to);
        to.dest = &written.base;
        to.image_width = width;
        to.image_height = height;
        to.input_components = 3;
        to.in_color_space = JCS_RGB;
        jpeg_set_defaults(&to);
        jpeg_set_quality(&to, (int)quality, TRUE);
        to.dct_method = JDCT_ISLOW;
        to.optimize_coding = TRUE;
        to.restart_interval = interval;
        jpeg_start_compress(&to, TRUE);
        while (to.next_scanline < to.image_height) {
            JSAMPROW row = (JSAMPROW)(rgb + (size_t)to.next_scanline * width * 3);
            jpeg_write_scanlines(&to, &row, 1);
        }
        jpeg_finish_compress(&to);
    }
    jpeg_destroy_compress(&to);
    return output_close(&written, out, report);
}

void tf_jpeg_bytes_free(tf_jpeg_bytes *bytes) {
    free(bytes->bytes);
    bytes->bytes = NULL;
    bytes->length = 0;
}
