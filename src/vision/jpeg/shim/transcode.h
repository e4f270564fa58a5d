/* Rewrites a JPEG picture without touching its samples, and compresses RGB pixels. The bytes that come back belong to
 * the caller, who frees them with `tf_jpeg_bytes_free`. */

#ifndef TRACKFLOW_JPEG_TRANSCODE_H
#define TRACKFLOW_JPEG_TRANSCODE_H

#include "errors.h"

typedef struct {
    uint8_t *bytes; /* NULL when there are none */
    size_t length;
} tf_jpeg_bytes;

/* The same DCT coefficients in one baseline scan with optimal Huffman tables and a restart marker after every
 * `interval` minimum coded units (1 to 65535): every decoder gives the pixels of the original. */
int tf_jpeg_transcode(const uint8_t *bytes, size_t length, uint32_t interval, tf_jpeg_bytes *out,
                      tf_jpeg_report *report);

/* Compresses `rgb` (rows without gaps) with chroma at half size both ways, quality 1 to 100. */
int tf_jpeg_encode(const uint8_t *rgb, uint32_t width, uint32_t height, uint32_t quality, uint32_t interval,
                   tf_jpeg_bytes *out, tf_jpeg_report *report);

void tf_jpeg_bytes_free(tf_jpeg_bytes *bytes);

#endif
