/* SPDX-License-Identifier: MIT
 *
 * Shared objects with modules in them.
 *
 * A file is copied into memory and loaded from there, so that replacing it while
 * the server runs does no harm.  An object goes when no instance is left of it
 * and modules_close_unused() is called, which is done from the top of the loop.
 * Under sanitizers the file itself is loaded, and nothing is ever unloaded, for
 * the sake of readable reports; only what is loaded anew is a copy there, too.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/near.h"
#include "core/registry.h"

#ifdef JD_SANITIZERS
#define PRIVATE_COPY 0
#else
#define PRIVATE_COPY 1
#endif

struct loaded {
	struct list node;
	const struct jd_module *module;
	void *handle;
	int fd; /* the copy; its number is part of the object's name, so it stays open. -1: none */
	bool stale; /* there is, or shall be, a newer one of this name */
};

static struct list loaded = LIST_INIT(loaded);
static char *search_path;

void module_search_path(const char *path)
{
	char *copy = jd_strdup(jd_cstr(path));

	mem_free(search_path);
	search_path = copy;
}

/* -- modules that are linked in -------------------------------------------------------------- */

#ifdef JD_STATIC_MODULES
extern const struct jd_module *const jd_static_modules[];

static const struct jd_module *static_find(const char *name)
{
	for (size_t i = 0; jd_static_modules[i]; i++)
		if (strcmp(jd_static_modules[i]->name, name) == 0)
			return jd_static_modules[i];
	return NULL;
}
#else
static const struct jd_module *static_find(const char *name)
{
	(void)name;
	return NULL;
}
#endif

/* -- files ---------------------------------------------------------------------------------------
 */

/* Opens the first mod_NAME.so of the path; the name of the file goes to out. */
static int file_open(const char *name, char *out, size_t size)
{
	for (const char *p = search_path ? search_path : ""; *p;) {
		size_t len = strcspn(p, ":");
		int fd;

		snprintf(out, size, "%.*s/mod_%s.so", (int)len, p, name);
		p += len + (p[len] == ':');
		fd = open(out, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

static int copy_to_memory(int from, const char *name)
{
	char label[80];
	struct stat st;
	int fd;

	snprintf(label, sizeof(label), "mod_%s", name);
	fd = memfd_create(label, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(from, &st) < 0)
		goto failed;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(fd, from, NULL, (size_t)left);

		if (n <= 0) {
			errno = n ? errno : EIO;
			goto failed;
		}
		left -= n;
	}
	return fd;
failed:
	close(fd);
	return -errno;
}

/* The name to give to dlopen(); *fd becomes that of the copy, or -1. */
static int loadable(const char *name, const char *file, bool anew, int *fd, char *out, size_t size)
{
	int copy = -1;

	if (PRIVATE_COPY || anew) {
		copy = copy_to_memory(*fd, name);
		if (copy < 0)
			return copy;
		snprintf(out, size, "/proc/self/fd/%d", copy);
	} else {
		/* Without a slash it would be looked for elsewhere. */
		snprintf(out, size, "%s%s", strchr(file, '/') ? "" : "./", file);
	}
	close(*fd);
	*fd = copy;
	return 0;
}

/* -- opening
 * ----------------------------------------------------------------------------------------- */

static bool acceptable(const struct jd_module *m, const char *name, const char *file, char *err,
		       size_t err_size)
{
	if (!m) {
		snprintf(err, err_size, "%s is not a module of Jackdaw: it has no 'jd_module'",
			 file);
		return false;
	}
	/* Nothing behind the first member may be looked at before this. */
	if (m->abi != JD_ABI) {
		snprintf(err, err_size,
			 "module '%s' was built for ABI %u of Jackdaw, and this server has ABI %u: "
			 "build it again with this server's headers (%s)",
			 name, (unsigned)m->abi, (unsigned)JD_ABI, file);
		return false;
	}
	if (!m->name || strcmp(m->name, name) != 0) {
		snprintf(err, err_size, "%s calls itself '%s', not '%s'", file,
			 m->name ? m->name : "", name);
		return false;
	}
	return true;
}

static const struct jd_module *load(const char *name, const char *file, const char *path, int fd,
				    char *err, size_t err_size)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct jd_module *m;
	struct loaded *l;

	if (!handle) {
		snprintf(err, err_size, "module '%s' cannot be loaded: %s (%s)", name, dlerror(),
			 file);
		return NULL;
	}
	m = dlsym(handle, "jd_module");
	if (!acceptable(m, name, file, err, err_size)) {
		dlclose(handle);
		return NULL;
	}
	l = mem_new(struct loaded);
	*l = (struct loaded){.module = m, .handle = handle, .fd = fd};
	list_append(&loaded, &l->node);
	return m;
}

static bool good_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 40 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* -- modules that there are
 * ------------------------------------------------------------------------------ */

#define MAX_NAMES 200

struct names {
	char text[MAX_NAMES][41];
	const char *list[MAX_NAMES + 1];
	size_t n;
};

static void names_add(struct names *names, const char *name, size_t len)
{
	if (names->n == MAX_NAMES || len >= sizeof(names->text[0]))
		return;
	memcpy(names->text[names->n], name, len);
	names->list[names->n] = names->text[names->n];
	names->n++;
}

static void names_of_static(struct names *names)
{
#ifdef JD_STATIC_MODULES
	for (size_t i = 0; jd_static_modules[i]; i++)
		names_add(names, jd_static_modules[i]->name, strlen(jd_static_modules[i]->name));
#else
	(void)names;
#endif
}

static void names_of_folder(struct names *names, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len > 7 && memcmp(e->d_name, "mod_", 4) == 0 &&
		    strcmp(e->d_name + len - 3, ".so") == 0)
			names_add(names, e->d_name + 4, len - 7);
	}
	if (dir)
		closedir(dir);
}

static void not_found(const char *name, int reason, char *err, size_t err_size)
{
	cleanup_free struct names *names = mem_new(struct names);
	const char *near;

	names_of_static(names);
	for (const char *p = search_path ? search_path : ""; *p;) {
		size_t len = strcspn(p, ":");
		char folder[4096];

		snprintf(folder, sizeof(folder), "%.*s", (int)len, p);
		names_of_folder(names, folder);
		p += len + (p[len] == ':');
	}
	near = near_find(name, names->list);
	if (near)
		snprintf(err, err_size, "there is no module '%s'; did you mean '%s'?", name, near);
	else
		snprintf(err, err_size, "there is no module '%s': mod_%s.so in %s: %s", name, name,
			 search_path ? search_path : "no folder", strerror(-reason));
}

/* The one of this name that is in force; ret_stale: there are others. */
static struct loaded *current(const char *name, bool *ret_stale)
{
	struct loaded *found = NULL;

	*ret_stale = false;
	for (struct list *n = loaded.next; n != &loaded; n = n->next) {
		struct loaded *l = container_of(n, struct loaded, node);

		if (strcmp(l->module->name, name) != 0)
			continue;
		if (l->stale)
			*ret_stale = true;
		else
			found = l;
	}
	return found;
}

const struct jd_module *module_open(const char *name, char *err, size_t err_size)
{
	const struct jd_module *m = static_find(name);
	struct loaded *l;
	char file[4096], path[4200];
	bool anew;
	int fd, e;

	l = current(name, &anew);
	if (!m && l)
		m = l->module;
	if (m)
		return m;
	if (!good_name(name)) {
		snprintf(err, err_size, "'%s' is not the name of a module: a-z, 0-9 and _", name);
		return NULL;
	}
	fd = file_open(name, file, sizeof(file));
	if (fd < 0) {
		not_found(name, fd, err, err_size);
		return NULL;
	}
	e = loadable(name, file, anew, &fd, path, sizeof(path));
	if (e < 0)
		snprintf(err, err_size, "%s cannot be read: %s", file, strerror(-e));
	else
		m = load(name, file, path, fd, err, err_size);
	if (!m && fd >= 0)
		close(fd);
	return m;
}

struct loaded *module_loaded(const struct jd_module *module)
{
	for (struct list *n = loaded.next; n != &loaded; n = n->next) {
		struct loaded *l = container_of(n, struct loaded, node);

		if (l->module == module)
			return l;
	}
	return NULL;
}

/* -- closing -------------------------------------------------------------------------------- */

/* The number of a copy that is still mapped must not become that of another one: the
 * linker knows objects by their names. */
static bool still_mapped(const struct loaded *l)
{
	char path[40];
	void *handle;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->fd);
	handle = l->fd >= 0 ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
	if (handle)
		dlclose(handle);
	return handle != NULL;
}

static void unload(struct loaded *l)
{
	list_remove(&l->node);
	if (PRIVATE_COPY) {
		dlclose(l->handle);
		if (l->fd >= 0 && !still_mapped(l))
			close(l->fd);
	}
	mem_free(l);
}

static bool instance_of(const struct list *instances, const struct loaded *l)
{
	for (const struct list *n = instances->next; n != instances; n = n->next)
		if (container_of(n, struct jd_instance, node)->loaded == l)
			return true;
	return false;
}

static bool in_use(const struct loaded *l)
{
	bool used = instance_of(&server.globals, l);

	for (const struct list *n = server.hosts.next; n != &server.hosts && !used; n = n->next)
		used = instance_of(&container_of(n, struct jd_host, node)->instances, l);
	return used;
}

void modules_close_unused(void)
{
	for (struct list *n = loaded.next, *next; n != &loaded; n = next) {
		struct loaded *l = container_of(n, struct loaded, node);

		next = n->next;
		if (!in_use(l))
			unload(l);
	}
}

void module_renew(const char *name)
{
	for (struct list *n = loaded.next; n != &loaded; n = n->next) {
		struct loaded *l = container_of(n, struct loaded, node);

		if (strcmp(l->module->name, name) == 0)
			l->stale = true;
	}
}

bool module_is_stale(const struct loaded *l)
{
	return l->stale;
}

void module_restore(const struct jd_module *module)
{
	struct loaded *old = module_loaded(module);

	module_renew(module->name);
	if (old)
		old->stale = false;
}

bool module_has_code(const struct jd_module *module, void (*code)(void))
{
	Dl_info mine, other;

	return code && dladdr(module, &mine) && dladdr((void *)(uintptr_t)code, &other) &&
	       mine.dli_fbase == other.dli_fbase;
}

void modules_close_all(void)
{
	while (!list_empty(&loaded))
		unload(container_of(loaded.next, struct loaded, node));
	mem_free(search_path);
	search_path = NULL;
}
