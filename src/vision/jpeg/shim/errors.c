#include "errors.h"

#include <string.h>

#include <jerror.h>

static int class_of(int message) {
    switch (message) {
    case JERR_INPUT_EMPTY:
    case JERR_INPUT_EOF:
    case JWRN_JPEG_EOF:
        return TF_JPEG_TRUNCATED;
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
        return TF_JPEG_UNSUPPORTED;
    case JERR_OUT_OF_MEMORY:
        return TF_JPEG_MEMORY;
    case JERR_BAD_STATE:
    case JERR_BAD_CROP_SPEC:
    case JERR_WIDTH_OVERFLOW:
        return TF_JPEG_MISUSE;
    default:
        return TF_JPEG_CORRUPT;
    }
}

static void leave(j_common_ptr info) {
    tf_jpeg_errors *errors = (tf_jpeg_errors *)info->err;
    errors->report->code = class_of(errors->base.msg_code);
    errors->base.format_message(info, errors->report->message);
    longjmp(errors->escape, 1);
}

/* Whether a warning leaves the pixels as they should be: an unknown version or transform number in a header, or stray
 * bytes before a marker that ends the picture data. Before a restart marker they are data that got out of step. */
static int is_harmless(const struct jpeg_error_mgr *base) {
    switch (base->msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
        return 1;
    case JWRN_EXTRANEOUS_DATA:
        return base->msg_parm.i[1] < 0xD0 || base->msg_parm.i[1] > 0xD7;
    default:
        return 0;
    }
}

/* libjpeg would go on after a warning and invent pixels; a picture that needs that is refused at once. */
static void take_message(j_common_ptr info, int level) {
    tf_jpeg_errors *errors = (tf_jpeg_errors *)info->err;
    if (level >= 0)
        return;
    if (!is_harmless(&errors->base))
        leave(info);
    if (errors->report->warnings++ == 0)
        errors->base.format_message(info, errors->report->message);
}

static void be_silent(j_common_ptr info) {
    (void)info;
}

struct jpeg_error_mgr *tf_jpeg_errors_init(tf_jpeg_errors *errors) {
    jpeg_std_error(&errors->base);
    errors->base.error_exit = leave;
    errors->base.emit_message = take_message;
    errors->base.output_message = be_silent;
    return &errors->base;
}

void tf_jpeg_errors_begin(tf_jpeg_errors *errors, tf_jpeg_report *report) {
    memset(report, 0, sizeof *report);
    errors->report = report;
}

void tf_jpeg_errors_raise(tf_jpeg_errors *errors, int code, const char *message) {
    errors->report->code = code;
    strncpy(errors->report->message, message, JMSG_LENGTH_MAX - 1);
    longjmp(errors->escape, 1);
}
