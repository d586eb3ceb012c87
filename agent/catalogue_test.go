package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// catalogued is a row of the catalogue of faults: what can go wrong, what the
// agent does then, and the tests that show it.
//
// removed is the guard that was taken out by hand once, and what was seen: a
// test that passes without it shows nothing.
type catalogued struct {
	row, fault string
	tests      string // names, of any package; those of another stand behind its path
	result     string
	removed    string
}

func catalogue() []catalogued {
	return []catalogued{
		// Storage.
		{
			"F1", "power cut at any point of a save",
			"TestPowerCutAfterEachCallLeavesTheOldOrTheNewRecord TestAcknowledgedSaveSurvivesAPowerCut TestPowerCutBetweenTheStepsOfASave",
			"the old record or the new one, and once acknowledged the new one: 0 lost of 300 on ext4, the control without fsync loses 30 of 30",
			"fsync of the directory: an acknowledged record is the old one after call 10; fsync of the file: damaged after call 7",
		},
		{
			"F2", "SIGKILL, out of memory, panic at any point",
			"TestKilledWhenever TestEachCallOfASaveMayFail TestKilledAtAnyMomentOfLinking TestKilledAtAnyMomentOfCodeBasedLinking",
			"the same: 0 bad of 500 kills of the binary",
			"temporary file and previous generation together: no link after call 1 (one of them alone is made up for by the other)",
		},
		{
			"F3", "cut between Amazon's answer to a code and the save",
			"TestKilledAtAnyMomentOfLinking TestCodeIsRecordedBeforeItIsSent",
			"the code is known to be used, the same QR code is shown, one request",
			"the hash before the code is sent: both fail, the code goes out twice",
		},
		{
			"F4", "rotation, and the answer is lost",
			"TestRotationWithALostAnswerEndsInALinkThatCanBeMadeAnew TestRotatedTokensSurviveAMonthOfRestarts TestRemovalInTheAccountShowsTheLinkAtOnceAndKeepsTheToken TestNothingIsAskedByAnAgentThatDoesNotStart",
			"the old token is kept and tried for an hour, then a link is offered; it stays on the disk; nothing is asked before the sockets are there",
			"the old token cleared at the refusal: both fail; a call before the sockets: the link is lost to a start that failed",
		},
		{
			"F5", "rotation, and the save fails",
			"TestUnsavedTokenIsSavedAgainWithABackoff TestRotatedTokenSurvivesAFullDisk TestUnsavedTokenIsSavedOnceMoreAtTheEnd TestLinkingAndRotationWithEachCallToTheDiskFailing",
			"used from memory, said, saved again after 30 s up to 10 min, at once when the disk can be written, and at the end",
			"the mark of what is unsaved: the disk never gets the token; the backoff: saved again 480 times in four hours; the last save: the only copy is lost",
		},
		{
			"F6", "disk full",
			"TestDiskThatFillsUpIsSaidBeforeACodeIsBurnt TestFullDiskAtTheFirstStartIsNoCrash TestFullDiskKeepsTheOldRecord TestFullDiskBurnsNoCode",
			"served from the record that is there; said within 5 s, before anybody signs in; no code goes out without room for its link",
			"the look for room before a code: a code is burnt with 16 KiB left; the room in the status: nothing is said before",
		},
		{
			"F7", "state directory read-only",
			"TestReadOnlyStateIsReadAndSaidSo TestDiskThatFillsUpIsSaidBeforeACodeIsBurnt TestStateDirectoryThatIsMendedIsNoProblemAnyMore",
			"the link is used from memory, said, and no code is burnt",
			"the probe: both fail, the status says nothing",
		},
		{
			"F8", "EIO at fsync or read",
			"TestFailedSyncIsNotTriedAgainOnTheSameFile TestUnreadableFileFallsBackToTheGenerationBefore TestDamagedFileIsNeverKeptAsThePreviousOne TestWhatCouldNotBeReadIsNotWrittenOver TestEachCallOfASaveMayFail",
			"a new temporary file; the generation before; an unreadable file never becomes that one, and is set aside before a save",
			"O_EXCL: a file that was there is written to; the fall-back at EIO: no record; the mark of a whole record: two damaged files after a crash; setting aside before a save: the link is written over",
		},
		{
			"F9", "record damaged, cut short, empty",
			"TestEveryTruncationFindsTheGenerationBefore TestNoFlippedBitIsBelieved TestTwoDamagedFilesAreNotTakenForNotLinked TestOnlyThePreviousFileIsLeft TestSerialNumberThatIsCutShortIsNotUsed FuzzStore",
			"the generation before, the evidence kept, said",
			"setting aside: no evidence; the serial number's line end: a number of one digit is used; the checksum: a flipped bit is believed",
		},
		{
			"F10", "wrong owner or mode after a restore",
			"TestForeignRecordIsNeitherUsedNorWrittenOver TestFilesOfABackupAreNarrowed TestSecretsAreForTheOwnerOnly",
			"narrowed where it is ours; else neither used nor written over, with the command that mends it",
			"the refusal: a link that everybody has read is used; the block: a save of nothing succeeds",
		},
		{
			"F11", "two agents on one state directory",
			"TestSecondAgentIsToldTheProcessOfTheFirstAndTouchesNoSocket TestSecondAgentOnAStateDirectoryIsRefused",
			"the second ends with the first's process number before it touches a socket; after kill -9 the lock is free",
			"flock: the second starts; the record lock: no process number",
		},
		{
			"F12", "copied card, exchanged board",
			"TestCopiedCardIsWarnedOfAndNotRefused",
			"a warning in the status until the next link, never a refusal",
			"the comparison: nothing is said",
		},
		{
			"F13", "older or newer format of the record",
			"TestRecordOfANewerVersionIsNotTouched TestRecordOfTheFirstReleaseIsStillRead",
			"a newer one is refused and not rewritten; the first release's is read",
			"the version: a newer record is used; a renamed member: the first release's link is gone",
		},
		{
			"F14", "flash wear",
			"TestFromQRCodeToTokenAndOnForADay TestASaveCostsTheCardLittle TestGenerationsCountOnOverRestarts",
			"no write in a day without change; 19 KiB for a save",
			"the comparison before a save: 38 writes in a day",
		},
		{
			"F15", "state directory in memory, on an overlay in memory, on FAT",
			"TestStateThatDoesNotSurviveAReboot TestUpperDirectoryThatASandboxHidesIsFoundByItsMount TestDiskWithoutHardLinksKeepsThePreviousToo",
			"a warning in the status; saves work without hard links too",
			"the file system's number: nothing is said",
		},
		// Watching.
		{
			"F43", "file there before the start",
			"TestCodeThatWasThereBeforeTheStartIsOffered",
			"offered", "the first look: never offered",
		},
		{
			"F44", "partial and slow writers",
			"TestTextWrittenInPiecesIsOfferedWhole TestHalfWrittenCodeIsWaitedFor TestAddressCutShortIsWaitedForLonger",
			"waited for, 100 ms without a change", "the 100 ms: 12 of 20 letters are offered",
		},
		{
			"F45", "editors, scp, rsync, mv, cp, sed and the like",
			"TestEveryProgramDropsTheWholeCodeOnDisk TestEveryProgramDropsTheWholeAddressInMemory TestEveryProgramDropsTheWholeAddressOnAnOverlay TestTextWrittenInPiecesIsOfferedWhole TestFilesOfEditorsArePassedOver",
			"all accepted, none in part", "the 100 ms: two writes 50 ms apart are offered in part; the final names: code.tmp is taken (the programs themselves are too quick to be caught by either)",
		},
		{
			"F46", "CRLF, BOM, UTF-16, quotes, blanks",
			"lwa.TestEveryFormOfADropGivesItsCode lwa.FuzzParseDrop",
			"normalised", "the byte order mark: a text with one is refused",
		},
		{
			"F47", "dropped twice, the same content saved again",
			"TestACodeIsSentOnceHoweverOftenItIsHandedIn TestTwoCodesAtOnceAreTriedOneAfterTheOther",
			"one request", "the hash: 2 exchanges for one code",
		},
		{
			"F48", "dropped while offline",
			"TestCodeWaitsFiveMinutesForTheNetworkAndNotLonger TestUnsentCodeIsTriedAgainForFiveMinutes",
			"kept for five minutes and sent when the network comes, else said", "the retry: given up after 1 s",
		},
		{
			"F49", "dropped after the QR code was made anew",
			"TestCodeOfTheQRCodeBeforeIsStillGood TestRefusedCodeBringsANewQRCodeAndTheOldOneStillCounts",
			"tried with the verifier it belongs to", "the second attempt at a refusal: both fail; with a new redirect: the QR code from before the edit links nothing",
		},
		{
			"F50", "wrong permissions",
			"TestUnreadableFileIsToldAndReadOnceThatIsMended TestFileMadeReadableMeanwhileIsTaken",
			"the chmod is named, and noticed when it is made", "events of chmod: never read again",
		},
		{
			"F51", "link, hard link, FIFO, device, directory, socket, huge, a stranger's",
			"TestHostileFilesAreRefusedWithAReason TestNothingSwappedInIsOpened TestFIFOIsNotWaitedForEvenWhenItReplacesAFile TestStrangersFileInAnOpenDirectoryDoesNotCount TestFileMountedOnADroppedOneIsRefused TestResultIsWrittenThroughNoLink",
			"refused with a reason, 0 wrong opens of 100,000 races", "link count, comparison when open, O_NONBLOCK (hangs for ever), owner, RESOLVE_NO_XDEV: each fails its test; the other resolve flags are made up for by O_NOFOLLOW and the comparison",
		},
		{
			"F52", "drop directory removed, made again, moved",
			"TestDirectoryRemovedAndMadeAgainIsWatchedAgain TestDirectoryMovedAwayAndReplacedIsWatchedAgain TestMissingDirectoryIsToldWithTheCommandThatMakesIt",
			"watched again", "the comparison of device and inode: both fail",
		},
		{
			"F53", "mounted over, unmounted, a USB stick",
			"TestDirectoryMountedOverAndUnmountedIsNoticed TestMountsOverAndAwayAreFoundWhileEverythingMoves",
			"found at the next look", "the comparison of device and inode: a code on the mounted file system is not seen without a rescan",
		},
		{
			"F54", "file systems that tell nothing",
			"TestFileThatComesWithoutAnEventIsFoundByARescan TestTickLooksAtTheInbox TestOfferIsRepeatedAtEachRescanUntilItIsTaken",
			"found within 5 s", "the rescan, the tick: each fails",
		},
		{
			"F55", "overflow of the queue of events",
			"TestOverflowOfEventsIsFollowedByALook TestWatcherThatFailsIsMadeAnew",
			"looked at once", "the look after the overflow: the code is never found",
		},
		{
			"F56", "limits of inotify",
			"TestWithoutInotifyTheDirectoryIsPolled TestWatchLimitIsToldAndTheDirectoryPolled",
			"looked at each second, the limit named, in order again when it is raised", "the polling: both fail",
		},
		{
			"F57", "100,000 junk files",
			"TestJunkDoesNotHideACode TestThousandsOfFilesDoNotHideACode",
			"the newest 256 are looked at, in pieces, and the junk is said", "the limit: both fail",
		},
	}
}

// TestCatalogueNamesTestsThatExist keeps the table true: a test that was
// renamed or lost is missed here.
func TestCatalogueNamesTestsThatExist(t *testing.T) {
	tests := testsOfModule(t)
	rows := map[int]bool{}
	for _, c := range append(catalogue(), catalogueOfNetworkAndProcess()...) {
		n, err := strconv.Atoi(strings.TrimPrefix(c.row, "F"))
		if err != nil || n < 1 || n > 59 || rows[n] {
			t.Errorf("row %q is none of F1 to F59, or stands there twice", c.row)
		}
		rows[n] = true
		names := strings.Fields(c.tests)
		for _, name := range names {
			if !strings.Contains(name, ".") {
				name = "agent." + name
			}
			if !tests[name] {
				t.Errorf("%s names %s, which does not exist: the fault is not tested any more", c.row, name)
			}
		}
		if c.fault == "" || len(names) == 0 || c.result == "" || c.removed == "" {
			t.Errorf("%s has no fault, test, result, or guard that was removed once", c.row)
		}
		t.Logf("%-4s %s | %s | %s", c.row, c.fault, strings.Join(names, ", "), c.result)
	}
	if t.Logf("%d of 59 rows", len(rows)); len(rows) != 59 {
		t.Error("rows are missing")
	}
}

// testsOfModule has each test as its package's path, a dot and its name.
func testsOfModule(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	must(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && strings.HasPrefix(e.Name(), ".") && len(e.Name()) > 2 {
			return fs.SkipDir // of Git's thousands of files none is a test
		}
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			name, _, is := strings.Cut(strings.TrimPrefix(line, "func "), "(")
			if is && (strings.HasPrefix(line, "func Test") || strings.HasPrefix(line, "func Fuzz")) {
				tests[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")+"."+name] = true
			}
		}
		return err
	}))
	return tests
}
