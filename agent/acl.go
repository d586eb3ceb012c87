package agent

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const aclName = "system.posix_acl_access"

// allowToConnect gives a socket that belongs to its owner and group to users and
// groups besides, ids in rising order, by its access control list (acl(5)): mode
// 0666 would let everybody knock. Without any it is 0660 again.
func allowToConnect(path string, users, groups []uint32) error {
	if len(users) == 0 && len(groups) == 0 {
		err := unix.Removexattr(path, aclName)
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return os.NewSyscallError("removexattr", err)
		}
		return os.Chmod(path, 0o660)
	}
	return os.NewSyscallError("setxattr", unix.Setxattr(path, aclName, acl(users, groups), 0))
}

// acl is the list in the kernel's form (include/uapi/linux/posix_acl_xattr.h):
// a version, then a tag, a permission and an id each, by tag and id.
func acl(users, groups []uint32) []byte {
	const (
		version                                         = 2
		userObj, oneUser, groupObj, oneGroup, mask, all = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
		nobody, readWrite, none                         = ^uint32(0), 6, 0
	)
	list := binary.LittleEndian.AppendUint32(nil, version)
	add := func(tag, permission uint16, id uint32) {
		list = binary.LittleEndian.AppendUint16(list, tag)
		list = binary.LittleEndian.AppendUint16(list, permission)
		list = binary.LittleEndian.AppendUint32(list, id)
	}
	add(userObj, readWrite, nobody)
	for _, id := range users {
		add(oneUser, readWrite, id)
	}
	add(groupObj, readWrite, nobody)
	for _, id := range groups {
		add(oneGroup, readWrite, id)
	}
	add(mask, readWrite, nobody)
	add(all, none, nobody)
	return list
}
