#include "decompress.h"

#include <stdlib.h>

/* Chroma upsampling looks one chroma sample to the left and right, and treats the first and last decoded column as the
 * picture's edge: that spoils at most two pixels with chroma at half width, and four at a quarter. */
#define MARGIN 16

/* Rows asked for at once; more than libjpeg ever gives. */
#define ROWS 16

struct tf_jpeg_decompressor {
    struct jpeg_decompress_struct info;
    tf_jpeg_errors errors;
    JDIMENSION rows; /* of the area */
    JDIMENSION done; /* how many of them were read */
};

static int create(tf_jpeg_decompressor *self, tf_jpeg_report *report) {
    self->info.err = tf_jpeg_errors_init(&self->errors);
    tf_jpeg_errors_begin(&self->errors, report);
    if (setjmp(self->errors.escape))
        return report->code;
    jpeg_create_decompress(&self->info);
    return TF_JPEG_DONE;
}

tf_jpeg_decompressor *tf_jpeg_decompressor_new(void) {
    tf_jpeg_report report;
    tf_jpeg_decompressor *self = calloc(1, sizeof *self);
    if (self != NULL && create(self, &report) != TF_JPEG_DONE) {
        tf_jpeg_decompressor_free(self);
        return NULL;
    }
    return self;
}

void tf_jpeg_decompressor_free(tf_jpeg_decompressor *self) {
    if (self == NULL)
        return;
    jpeg_destroy_decompress(&self->info);
    free(self);
}

static int give_up(tf_jpeg_decompressor *self) {
    self->rows = 0;
    jpeg_abort_decompress(&self->info);
    return self->errors.report->code;
}

int tf_jpeg_open(tf_jpeg_decompressor *self, const uint8_t *bytes, size_t length, tf_jpeg_header *header,
                 tf_jpeg_report *report) {
    struct jpeg_decompress_struct *info = &self->info;
    tf_jpeg_errors_begin(&self->errors, report);
    if (setjmp(self->errors.escape))
        return give_up(self);
    self->rows = 0;
    jpeg_abort_decompress(info);
    jpeg_mem_src(info, bytes, length);
    jpeg_read_header(info, TRUE);
    if (info->data_precision != 8)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_UNSUPPORTED, "more than 8 bits a sample; save it with 8");
    if (info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_UNSUPPORTED, "CMYK colours; save it as RGB");
    if (info->num_components != 1 && info->num_components != 3)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_UNSUPPORTED, "neither grey nor three components");
    header->width = info->image_width;
    header->height = info->image_height;
    header->components = (uint32_t)info->num_components;
    /* The sampling factors of a single component have no meaning. */
    header->mcu_width = DCTSIZE * (info->num_components == 1 ? 1u : (uint32_t)info->max_h_samp_factor);
    header->mcu_height = DCTSIZE * (info->num_components == 1 ? 1u : (uint32_t)info->max_v_samp_factor);
    header->restart_interval = info->restart_interval;
    header->progressive = info->progressive_mode ? 1 : 0;
    return TF_JPEG_DONE;
}

int tf_jpeg_start(tf_jpeg_decompressor *self, uint32_t reduction, tf_jpeg_area *area, tf_jpeg_report *report) {
    struct jpeg_decompress_struct *info = &self->info;
    JDIMENSION x, end, width;
    tf_jpeg_errors_begin(&self->errors, report);
    if (setjmp(self->errors.escape))
        return give_up(self);
    info->scale_num = 1;
    info->scale_denom = reduction;
    jpeg_calc_output_dimensions(info);
    if (area->width == 0 || area->height == 0 || area->x >= info->output_width || area->y >= info->output_height ||
        area->width > info->output_width - area->x || area->height > info->output_height - area->y)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_MISUSE, "an area outside the picture");
    info->out_color_space = JCS_RGB;
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    info->do_block_smoothing = FALSE;
    jpeg_start_decompress(info);
    end = area->x + area->width;
    end = info->output_width - end > MARGIN ? end + MARGIN : info->output_width;
    x = area->x > MARGIN ? area->x - MARGIN : 0;
    width = end - x;
    jpeg_crop_scanline(info, &x, &width);
    if (jpeg_skip_scanlines(info, area->y) != area->y)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_CORRUPT, "the picture ends above the window");
    area->x = x;
    area->width = width;
    self->rows = area->height;
    return TF_JPEG_DONE;
}

int tf_jpeg_read(tf_jpeg_decompressor *self, uint8_t *rgb, size_t capacity, tf_jpeg_report *report) {
    struct jpeg_decompress_struct *info = &self->info;
    size_t stride;
    tf_jpeg_errors_begin(&self->errors, report);
    if (setjmp(self->errors.escape))
        return give_up(self);
    stride = (size_t)info->output_width * 3;
    if (self->rows == 0 || capacity / stride < self->rows)
        tf_jpeg_errors_raise(&self->errors, TF_JPEG_MISUSE, "a buffer that is too small, or nothing to read");
    for (self->done = 0; self->done < self->rows;) {
        JSAMPROW rows[ROWS];
        JDIMENSION row, got, wanted = self->rows - self->done;
        if (wanted > ROWS)
            wanted = ROWS;
        for (row = 0; row < wanted; row++)
            rows[row] = rgb + (self->done + row) * stride;
        got = jpeg_read_scanlines(info, rows, wanted);
        if (got == 0)
            tf_jpeg_errors_raise(&self->errors, TF_JPEG_CORRUPT, "the picture ends within the window");
        self->done += got;
    }
    self->rows = 0;
    jpeg_abort_decompress(info);
    return TF_JPEG_DONE;
}
