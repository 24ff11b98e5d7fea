/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over files without libFuzzer: those given as arguments, or
 * the corpus that belongs to the program's name (fuzz_x: tests/fuzz/corpus/x).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_INPUT ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	data = malloc(SIZE_MAX_INPUT);
	n = data ? fread(data, 1, SIZE_MAX_INPUT, f) : 0;
	fclose(f);
	/* of the exact size, so that a sanitizer sees what reads behind it */
	exact = malloc(n ? n : 1);
	if (!data || !exact)
		abort();
	memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(data);
	free(exact);
	return 0;
}

static int run_dir(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);
	int count = 0, failed = 0;

	if (n < 0) {
		perror(dir);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char path[4096 + 257];

		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			failed |= run_file(path);
			count++;
		}
		free(names[i]);
	}
	free(names);
	printf("%d inputs\n", count);
	return failed || !count;
}

int main(int argc, char **argv)
{
	const char *top = getenv("JD_TOP_SRCDIR");
	const char *name = strstr(argv[0], "fuzz_");
	char dir[4096];
	int failed = 0;

	for (const char *next = name; next; next = strstr(next + 1, "fuzz_"))
		name = next;
	if (argc < 2 && name) {
		snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top ? top : ".", name + 5);
		return run_dir(dir);
	}
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	return failed;
}
