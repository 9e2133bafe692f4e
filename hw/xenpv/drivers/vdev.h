/*
 * Names and numbers of virtual block devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  Source: Xen's man page xen-vbd-interface(7).  The number is what the
 * device's directories in xenstore are called and what the front end makes a
 * name of; the encodings are
 *
 *     202 << 8 | disk << 4 | partition       xvd, both up to 15
 *       1 << 28 | disk << 8 | partition      xvd, what does not fit above
 *       8 << 8 | disk << 4 | partition       sd, both up to 15
 *       3 << 8 | disk << 6 | partition       hda, hdb, partitions up to 63
 *      22 << 8 | (disk - 2) << 6 | partition hdc, hdd, partitions up to 63
 *
 * Partition 0 is the whole disk.  Other numbers below 2 << 28 mean something
 * to some front end; they are carried, but nothing is known about them.
 */
#ifndef HW_XENPV_DRIVERS_VDEV_H
#define HW_XENPV_DRIVERS_VDEV_H

/* Disks of the xvd scheme, and partitions of each with the whole disk. */
#define XENPV_VDEV_MAX_DISKS        (1u << 20)
#define XENPV_VDEV_MAX_PARTITIONS   256

/* Numbers from here on are reserved. */
#define XENPV_VDEV_END              (2u << 28)

/* Never a device's number. */
#define XENPV_VDEV_NONE             UINT32_MAX

/**
 * xenpv_vdev_parse: the number a user's word stands for
 * @name: xvda1, xvdba, hdc, sdb3, d0, d536p37, or a number in decimal, hex
 *     (0x) or octal (0)
 * @number: (out): it
 * @errp: set on failure, quoting @name and saying what is wrong with it
 *
 * Letters and decimal digits as in the man page: lower case, no leading
 * zeroes, no blanks.
 */
bool xenpv_vdev_parse(const char *name, uint32_t *number, Error **errp);

/**
 * xenpv_vdev_name: a name for a number
 *
 * xenpv_vdev_parse() makes @number of it again: a number in an encoding that
 * is unknown, or longer than need be, is its own name, in decimal.
 *
 * Returns: (transfer full): the name
 */
char *xenpv_vdev_name(uint32_t number);

/**
 * xenpv_vdev_from_disk: the number of a whole xvd disk
 * @disk: counted from 0
 *
 * Returns: the number, in the short encoding up to disk 15; XENPV_VDEV_NONE
 *          from XENPV_VDEV_MAX_DISKS on
 */
uint32_t xenpv_vdev_from_disk(unsigned disk);

/**
 * xenpv_vdev_disk: which disk a number belongs to
 *
 * xvda, sda, hda and their partitions all are disk 0: front ends may give them
 * the same name, so a new device is better put elsewhere.
 *
 * Returns: the disk, from 0; -1 if the encoding is unknown
 */
int xenpv_vdev_disk(uint32_t number);

/**
 * xenpv_vdev_partition: which partition of its disk a number is
 *
 * Returns: the partition, 0 for the whole disk; -1 if the encoding is unknown
 */
int xenpv_vdev_partition(uint32_t number);

#endif /* HW_XENPV_DRIVERS_VDEV_H */
