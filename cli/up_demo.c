/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_demo.c - a PAM service and a password file of its own (carrel)
 *
 * nodelay: pam_pwdfile would block for more than a second after a wrong password; carrel-broker slows guesses itself.
 */
#include "cli/up_demo.h"

#include <crypt.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "base/id.h"
#include "base/io.h"
#include "base/name.h"

#define PASSWORD_LENGTH 16 /* of base32: 80 bits */

static gboolean
up_demo_write(const char *path, const char *text, GError **error)
{
	int status = io_write_file_durably(path, text, strlen(text), 0600);

	if (status == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-status), _("cannot write '%s': %s"),
		    path, g_strerror(-status));
	return FALSE;
}

static char *
up_demo_hash(const char *password, GError **error)
{
	g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	char *hash = NULL;

	if (crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)))
		hash = g_strdup(crypt_r(password, salt, data));
	explicit_bzero(data, sizeof(*data));
	/* crypt(3) tells failure by a text that begins with a star. */
	if (hash && hash[0] == '$')
		return hash;
	g_free(hash);
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("libcrypt cannot make a yescrypt hash"));
	return NULL;
}

static gboolean
up_demo_knows(const char *passwd, const char *user)
{
	g_autofree char *text = NULL;
	g_autofree char *start = g_strconcat(user, ":", NULL);
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(passwd, &text, NULL, NULL))
		return FALSE;
	lines = g_strsplit(text, "\n", -1);
	for (gsize i = 0; lines[i]; i++)
		if (g_str_has_prefix(lines[i], start))
			return TRUE;
	return FALSE;
}

static gboolean
up_demo_add_user(const char *passwd, const char *user, char **ret_password, GError **error)
{
	g_autofree char *old = NULL;
	g_autofree char *text = NULL;
	g_autofree char *hash = NULL;
	char secret[ID_SECRET_SIZE];

	if (id_new_secret(secret) < 0) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED,
				    _("the kernel gives no random numbers"));
		return FALSE;
	}
	secret[PASSWORD_LENGTH] = '\0';
	hash = up_demo_hash(secret, error);
	if (!hash)
		return FALSE;
	if (!g_file_get_contents(passwd, &old, NULL, NULL))
		old = g_strdup("");
	text = g_strdup_printf("%s%s:%s\n", old, user, hash);
	if (!up_demo_write(passwd, text, error))
		return FALSE;
	*ret_password = g_strdup(secret);
	explicit_bzero(secret, sizeof(secret));
	return TRUE;
}

gboolean
up_demo_make(const char *folder, const char *service, const char *user, char **ret_password,
	     GError **error)
{
	g_autofree char *service_path = g_build_filename(folder, service, NULL);
	g_autofree char *passwd = g_build_filename(folder, "passwd", NULL);
	g_autofree char *text = g_strdup_printf("auth required pam_pwdfile.so nodelay pwdfile=%s\n"
						"account required pam_permit.so\n",
						passwd);

	if (!name_user_valid(user)) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			_("'%s' is not a user name: letters, digits and inner '-', '_' or '.', a letter first"),
			user);
		return FALSE;
	}
	*ret_password = NULL;
	if (!up_demo_write(service_path, text, error))
		return FALSE;
	return up_demo_knows(passwd, user) || up_demo_add_user(passwd, user, ret_password, error);
}
