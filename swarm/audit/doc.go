// Package audit has a node take part in the rounds of proofs of its swarm.
//
//	commit     it lists what it holds, signs the root, and tells every node, with a hash of its part of the beacon
//	reveal     it tells its part; statements that come later count for nothing
//	challenge  from all parts that it knows it makes a beacon, and from that challenges for those whom it is to verify
//	judge      it tells what came of that, and hears what others found
//
// Each verifier uses the beacon that it knows. Its own part is in it, which it
// told after it had the statements; so no node knew its challenge before it
// committed itself, whatever all others do. Members need not agree on one value, and
// one that says nothing holds nobody up. With fewer parts than half of the statements
// there is no beacon, and nobody is blamed.
//
// Silence is no lie: a node that does not answer, or says that it cannot, is not
// believed any more after some rounds, and what it holds is rebuilt. A signed
// answer that is false convicts it, and so do two statements of one round, with
// evidence that everybody checks for himself.
package audit
