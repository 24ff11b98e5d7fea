dnl SPDX-License-Identifier: MIT
dnl
dnl Ask the compiler before using a flag of it.  Each flag is tried alone, with
dnl -Werror so that "unknown option" counts as no.

dnl JD_ADD_CFLAGS(VARIABLE, FLAGS, [required])
AC_DEFUN([JD_ADD_CFLAGS], [
for jd_flag in $2; do
	AC_MSG_CHECKING([whether $CC accepts $jd_flag])
	jd_save=$CFLAGS
	CFLAGS="$CFLAGS $$1 -Werror $jd_flag"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([int main(void) { return 0; }])],
		[AC_MSG_RESULT([yes])
		$1="${$1:+$$1 }$jd_flag"],
		[AC_MSG_RESULT([no])
		m4_if([$3], [required], [AC_MSG_ERROR([the compiler does not know $jd_flag])])])
	CFLAGS=$jd_save
done
])

dnl JD_ADD_LINKED(VARIABLE, FLAG, [required]): one flag that matters when linking.
AC_DEFUN([JD_ADD_LINKED], [
AC_MSG_CHECKING([whether $CC links with $2])
jd_save=$CFLAGS
CFLAGS="$CFLAGS $JD_CFLAGS $JD_PIE_CFLAGS $2"
AC_LINK_IFELSE([AC_LANG_SOURCE([int main(void) { return 0; }])],
	[AC_MSG_RESULT([yes])
	$1="${$1:+$$1 }$2"],
	[AC_MSG_RESULT([no])
	m4_if([$3], [required], [AC_MSG_ERROR([the compiler cannot link with $2])])])
CFLAGS=$jd_save
])
