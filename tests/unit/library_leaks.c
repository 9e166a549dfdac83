/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * library_leaks.c - what the leak sanitizer is told by the tests that have a SPICE or VNC sink
 *
 * libspice-server never frees what it has made for a keyboard; libvncserver never what it has noted of a client's extension,
 * nor an iterator each time when a client wants another size (its issue 724), 24 bytes each. The frames are only seen by the
 * slow way to walk the stack.
 */
const char *__lsan_default_suppressions(void);
const char *__asan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:spice_server_add_interface\n"
	       "leak:rfbEnableExtension\n"
	       "leak:rfbGetClientIterator\n";
}

const char *
__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}
