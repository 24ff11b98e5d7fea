/* SPDX-License-Identifier: MIT
 *
 * Software Version (XEP-0092): tells name and version of the server, and the
 * operating system if the operator wants that known.
 */
#include <jackdaw/module.h>

#include <sys/utsname.h>

#define NS_VERSION "jabber:iq:version"

struct version {
	bool show_version;
	bool show_os;
};

static const struct jd_option options[] = {
	JD_OPT_BOOL("show_version", struct version, show_version, "true",
		    "Tell the version of Jackdaw to whoever asks."),
	JD_OPT_BOOL("show_os", struct version, show_os, "false",
		    "Tell the name of the operating system too."),
	JD_OPT_END,
};

static enum jd_verdict on_version(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct version *v = jd_data(mi);
	struct jd_xml *x = jd_iq_result(iq);
	struct utsname un;

	jd_xml_start(x, NS_VERSION, "query");
	jd_xml_leaf(x, NULL, "name", JD_STR("Jackdaw"));
	if (v->show_version)
		jd_xml_leaf(x, NULL, "version", JD_STR(JD_VERSION));
	if (v->show_os && uname(&un) == 0)
		jd_xml_leaf(x, NULL, "os", jd_cstr(un.sysname));
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static int start(struct jd_instance *mi)
{
	jd_feature(mi, JD_TO_HOST, NS_VERSION);
	return jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, NS_VERSION, "query", on_version);
}

JD_MODULE(version, .summary = "Tells the server's name and version (XEP-0092)",
	  .scope = JD_PER_HOST | JD_PER_COMPONENT, .data_size = sizeof(struct version),
	  .options = options, .start = start);
