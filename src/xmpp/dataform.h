/* SPDX-License-Identifier: MIT
 *
 * What the reader and the writer of data forms share; the rest is public, in
 * <jackdaw/form.h>.
 */
#pragma once

#include <jackdaw/form.h>

#define DATAFORM_VALUES_DEFAULT 64
#define DATAFORM_BYTES_SINGLE   JD_JID_MAX
#define DATAFORM_BYTES_MULTI    16384

static inline bool dataform_multi(const struct jd_form_field *field)
{
	return field->type == JD_FIELD_JID_MULTI || field->type == JD_FIELD_LIST_MULTI ||
	       field->type == JD_FIELD_TEXT_MULTI;
}

static inline bool dataform_jid(const struct jd_form_field *field)
{
	return field->type == JD_FIELD_JID || field->type == JD_FIELD_JID_MULTI;
}

static inline unsigned dataform_max_values(const struct jd_form_field *field)
{
	if (!dataform_multi(field))
		return 1;
	return field->max_values ? field->max_values : DATAFORM_VALUES_DEFAULT;
}

static inline size_t dataform_max_bytes(const struct jd_form_field *field)
{
	if (field->max_bytes)
		return field->max_bytes;
	return dataform_multi(field) ? DATAFORM_BYTES_MULTI : DATAFORM_BYTES_SINGLE;
}
