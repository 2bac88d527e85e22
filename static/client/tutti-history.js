// Generated from static/client/src by `npm run client`: do not edit.
function d(r,e={},...t){let n=document.createElement(r);for(let[i,s]of Object.entries(e))s==null||s===!1||(typeof s=="function"?n.addEventListener(i.slice(2),s):
i.startsWith("--")?n.style.setProperty(i,String(s)):n.setAttribute(i,s===!0?"":String(s)));return n.append(...t.filter(i=>i!==null&&i!==!1)),n}var ne={close:"m5\
 5 10 10M15 5 5 15",play:"M6.5 4.2v11.6l9-5.8z",pause:"M7 4.5v11M13 4.5v11",back:"m12.5 4.5-6 5.5 6 5.5",forth:"m7.5 4.5 6 5.5-6 5.5",flag:"M5 17V3.5h9.5L12 7.2\
l2.5 3.8H5",restore:"M4 5v4h4M4.3 9a6.2 6.2 0 1 1-.2 3M10 6.8V10l2.3 1.6",compare:"M10 3v14M3.5 6H7M3.5 10H7M3.5 14H7M13 6h3.5M13 10h3.5M13 14h3.5",pen:"m4 16 .\
8-3.3L13.3 4.2a1.6 1.6 0 0 1 2.3 0l.2.2a1.6 1.6 0 0 1 0 2.3L7.3 15.2 4 16Z"};function x(r){let e=document.createElementNS("http://www.w3.org/2000/svg","svg");e.
setAttribute("viewBox","0 0 20 20"),e.setAttribute("class","icon"),e.setAttribute("aria-hidden","true");let t=document.createElementNS("http://www.w3.org/2000/s\
vg","path");return t.setAttribute("d",ne[r]),e.append(t),e}var ie=200;function P(r,{title:e,text:t,name:n,confirm:i,other:s,act:a,note:c}){let o=n!==void 0&&d("input",{type:"text",value:n,maxlength:ie,required:!0,autocomplete:"\
off","data-testid":"history-name"}),l=d("p",{class:"error",role:"alert",hidden:!0}),h=d("p",{"data-testid":"history-note"},"");return c?.then(u=>{h.textContent=
u},()=>{h.textContent=""}),new Promise(u=>{let p=!1,m=async f=>{for(let b of y.querySelectorAll("button"))b.disabled=!0;l.hidden=!0;try{await f(),p=!0,y.close()}catch(b){
l.textContent=b instanceof Error?b.message:String(b),l.hidden=!1;for(let T of y.querySelectorAll("button"))T.disabled=!1}},w=d("form",{onsubmit:f=>{f.preventDefault(),
m(()=>a(o?o.value.trim():""))}},d("h2",{id:"ask-title"},e),t?d("p",{},t):null,c?h:null,o&&d("label",{},"Name",o),l,d("div",{class:"ask-actions"},s?d("button",{type:"\
button",class:"button quiet",onclick:()=>{m(s.act)}},s.label):null,d("button",{type:"button",class:"button",onclick:()=>{y.close()}},"Cancel"),d("button",{type:"\
submit",class:"button primary","data-testid":"history-confirm"},i))),y=d("dialog",{class:"ask","aria-labelledby":"ask-title",onclose:()=>{y.remove(),u(p)}},w);r.
append(y),y.showModal()})}var v=r=>"text"in r;var D={paragraph:"p",blockquote:"blockquote",codeblock:"pre",bulletlist:"ul",orderedlist:"ol",listitem:"li",tasklist:"ul",taskitem:"li",table:"table",tablerow:"\
tr",tablecell:"td",tableheader:"th",horizontalrule:"hr",hardbreak:"br"},oe={bold:"bold",strong:"bold",italic:"italic",em:"italic",strike:"strike",code:"code",underline:"\
underline",link:"underline"};function j(r,e,t=null){let n=new B(r,e,t),i=t===null?re:{before:!0,after:!0};return r.isXml?de(n.elements(r.root,i)):ce(n.inline(r.
root,i))}var se=r=>r.map(X).join(`
`),X=r=>r.children.map(e=>v(e)?e.text:X(e)).join(""),re={before:!1,after:!0},B=class{#e;#n;#t;constructor(e,t,n){this.#e=e,this.#n=t,this.#t=n}#s(e,{before:t,after:n}){
return{before:t&&this.#e.isThere(e,this.#t),after:n&&this.#e.isThere(e,this.#n)}}#r({before:e,after:t}){return this.#t===null?t?"both":null:e&&t?"both":t?"after":
e?"before":null}elements(e,t){return e.parts.flatMap(n=>{if(n.kind!=="type")return this.inline({...e,parts:[n]},t);if(n.name!==null)return this.#c(n,t);let i=this.#s(
n.unit,t);return this.#r(i)?this.inline(n,i):[]})}#c(e,t){let n=e.unit,i=this.#s(n,t),s=this.#r(i);if(!s)return[];let a=i.after?this.#n:this.#t,c=this.#e.attributesOf(
e,a),o=this.#t!==null&&s==="both"&&JSON.stringify(c)!==JSON.stringify(this.#e.attributesOf(e,this.#t)),l=e.name,h=l.toLowerCase().replaceAll("_",""),u=Number(c.
level),p=h==="heading"?`h${u>=1&&u<=6?u:1}`:Object.hasOwn(D,h)?D[h]:null,m=this.elements(e,i);return p?[{tag:p,presence:s,isChanged:o,children:m}]:m.length>0?[{
tag:"div",presence:s,isChanged:o,label:l,children:m}]:[{tag:"div",presence:s,isChanged:o,children:[this.#l(l,n,s)]}]}#l(e,t,n){let{by:i,inserted:s}=this.#e;return{
text:e,by:i[t],unit:t,presence:n,formats:[],isChanged:!1,isNew:s[t]===this.#n,object:!0}}inline(e,t){let n=[],[i,s]=[new Map,new Map];for(let a of e.parts)this.#v(
a,t,n,i,s);return n}#v(e,t,n,i,s){let a=this.#e;if(e.kind==="mark")a.isThere(e.unit,this.#n)&&V(i,e),this.#t!==null&&a.isThere(e.unit,this.#t)&&V(s,e);else if(e.
kind==="embed"){let c=this.#r(this.#s(e.unit,t));c&&n.push(this.#l(ae(e.value),e.unit,c))}else if(e.kind==="type"){let c=e.name===null?this.elements({...e,parts:[
e]},t):this.#c(e,t);for(let o of c)n.push(o)}else this.#b(e.from,e.to,t,n,i,s)}#b(e,t,n,i,s,a){let c=this.#e,{inserted:o,deleted:l,by:h}=c,[u,p]=[this.#n,this.#t??
-1],m=U(s),w=this.#t===null?m:U(a),y=this.#t!==null&&JSON.stringify([...s].sort())!==JSON.stringify([...a].sort()),f=e,b=0,T=0,$=!1,z=g=>{if(b===0||g===f)return;
let k=this.#t===null||b===3?"both":b===1?"after":"before";le(i,{text:c.textOf(f,g,b===2?p:u),by:T,unit:f,presence:k,formats:k==="before"?w:m,isChanged:y&&k==="b\
oth",isNew:$})};for(let g=e;g<t;g++){let[k,N]=[o[g],l[g]],L=(n.after&&k<=u&&(N===0||N>u)?1:0)|(n.before&&k<=p&&(N===0||N>p)?2:0),F=k===u;L===b&&(L===0||h[g]===T&&
F===$)&&(g===e||c.codeAt(g-1)!==10)||(z(g),f=g,b=L,T=h[g],$=F)}z(t)}};function V(r,{key:e,value:t}){t===null?r.delete(e):r.set(e,t)}var U=r=>[...r.keys()].map(e=>oe[e.
split("--")[0].toLowerCase()]).filter(e=>e!==void 0).sort(),ae=r=>r&&typeof r=="object"?Object.keys(r)[0]??"object":"object";function le(r,e){let t=r.at(-1);t&&
v(t)&&!t.object&&!t.text.endsWith(`
`)&&t.by===e.by&&t.presence===e.presence&&t.isNew===e.isNew&&t.isChanged===e.isChanged&&t.formats.join()===e.formats.join()?t.text+=e.text:r.push(e)}function ce(r){
let e=[H("div",[])];for(let t of r){let n=v(t)&&t.text.endsWith(`
`),i=n?t.text.slice(0,-1)+(t.presence==="both"?"":"\xB6"):null;i===null?e.at(-1).children.push(t):i!==""&&e.at(-1).children.push({...t,text:i}),n&&e.push(H("div",
[]))}return e}function de(r){let e=[],t=!1;for(let n of r)v(n)?t?e.at(-1).children.push(n):e.push(H("p",[n])):e.push(n),t=v(n);return e}var H=(r,e)=>({tag:r,presence:"\
both",isChanged:!1,children:e});var W=new Intl.DateTimeFormat(void 0,{hour:"2-digit",minute:"2-digit"}),he=new Intl.DateTimeFormat(void 0,{hour:"2-digit",minute:"2-digit",second:"2-digit"}),pe=new Intl.
DateTimeFormat(void 0,{day:"numeric",month:"short",year:"numeric"}),ue=new Intl.DateTimeFormat(void 0,{dateStyle:"medium",timeStyle:"medium"}),me=new Intl.NumberFormat,
J=r=>new Date(r).setHours(0,0,0,0),fe=r=>Math.round((J(Date.now())-J(r))/864e5);function E(r){let e=fe(r);return e===0?"Today":e===1?"Yesterday":pe.format(r)}var I=r=>ue.
format(r),M=r=>`${E(r)}, ${he.format(r)}`;function q(r,e){let[t,n]=[W.format(r),W.format(e)];return t===n?n:`${t} \u2013 ${n}`}var O=r=>me.format(r),S=r=>`${O(r)}\
 ${r===1?"character":"characters"}`;var C=class{element;#e=[];#n=[];constructor(e){this.element=e}show(e){let t=e.map(p=>JSON.stringify(p)),[n,i]=[this.#e,this.#n],s=0;for(;s<t.length&&s<n.length&&
t[s]===n[s];)s++;let a=0;for(;a<t.length-s&&a<n.length-s&&t.at(-1-a)===n.at(-1-a);)a++;let[c,o]=[t.length-a,n.length-a],l=new Map;for(let p=s;p<o;p++){let m=l.get(
n[p]);m?m.push(i[p]):l.set(n[p],[i[p]])}let h=e.slice(s,c).map((p,m)=>l.get(t[s+m])?.shift()??K(p));for(let p of l.values())for(let m of p)m.remove();let u=i[o]??
null;for(let p=h.length-1;p>=0;p--){let m=h[p];(m.nextSibling!==u||m.parentNode!==this.element)&&this.element.insertBefore(m,u),u=m}return this.#e=t,this.#n=[...i.
slice(0,s),...h,...i.slice(o)],h[0]??null}};function K(r){let{tag:e,presence:t,isChanged:n,label:i,children:s}=r,a=s.length===0&&e!=="hr"&&e!=="br",c=d(e,{class:[
"block",t!=="both"&&t,n&&"changed",i&&"labelled"].filter(Boolean).join(" "),dir:"auto","data-label":i},a&&document.createElement("br"));for(let o of s)c.append(
v(o)?be(o):K(o));return c}function be({text:r,by:e,unit:t,presence:n,formats:i,isChanged:s,isNew:a,object:c}){let o=n==="after"?"ins":n==="before"?"del":"span",
l=["run",`by-${e}`,...i,s&&"changed",a&&"new",c&&"object"];return d(o,{class:l.filter(Boolean).join(" "),"data-unit":t},r)}function Y(r,e,t){let n=({to:a,startedAt:c,endedAt:o,authors:l})=>({kind:"session",seq:a,edit:r.editAt(a),fromMs:Date.parse(c),toMs:Date.parse(o),users:l.map(({
user:h})=>h),inserted:l.reduce((h,{inserted:u})=>h+u,0),deleted:l.reduce((h,{deleted:u})=>h+u,0)}),i=({seq:a,label:c,authors:o})=>{let l=r.editAt(a),h=r.timeOf(
l);return{kind:"version",seq:a,edit:l,fromMs:h,toMs:h,users:o,label:c,inserted:0,deleted:0}},s=a=>a.kind==="version"?0:1;return[...e.map(n),...t.map(i)].sort((a,c)=>c.
seq-a.seq||s(a)-s(c))}function G(r,e){let t=new Map(r.authors.map((n,i)=>[n,i]));return Array.from({length:Math.min(e,r.count)},(n,i,s=Math.min(e,r.count))=>{let a=new Map,
[c,o]=[Math.floor(i*r.count/s),Math.floor((i+1)*r.count/s)];for(let l=c+1;l<=o;l++){let h=t.get(r.editorOf(l));a.set(h,(a.get(h)??0)+1)}return[...a].reduce((l,h)=>h[1]>
l[1]?h:l,[0,0])[0]})}var Q=`
:host {
  --page: var(--tutti-page, light-dark(#f5f1ea, #15131a));
  --surface: var(--tutti-surface, light-dark(#fffdf9, #1d1a23));
  --hover: var(--tutti-hover, light-dark(#ebe5da, #262230));
  --line: var(--tutti-line, light-dark(#e3dccf, #2f2a39));
  --line-strong: var(--tutti-line-strong, light-dark(#cfc6b6, #443d52));
  --ink: var(--tutti-ink, light-dark(#241f2e, #ece7f1));
  --ink-2: var(--tutti-ink-2, light-dark(#5d5668, #b3abbf));
  --accent: var(--tutti-accent, light-dark(#94620f, #e5b75f));
  --primary: var(--tutti-primary, light-dark(#241f2e, #efe9dd));
  --on-primary: var(--tutti-on-primary, light-dark(#fffdf9, #1d1a23));
  --came: light-dark(#1f6b43, #7fd6a5);
  --went: light-dark(#a3271d, #f5998b);
  --sans: var(--tutti-sans, system-ui, -apple-system, 'Segoe UI', sans-serif);
  --serif: var(--tutti-serif, var(--sans));
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', 'Liberation Mono', Menlo, monospace;
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p, ol, ul { margin: 0; padding: 0; }
button, input, select { font: inherit; color: inherit; }
button { cursor: pointer; }
button:disabled { opacity: 0.45; cursor: default; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { flex: none; width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }

dialog { padding: 0; border: 0; background: var(--surface); color: var(--ink); font: 400 14px/1.45 var(--sans); accent-color: var(--accent); }
dialog::backdrop { background: #15131a80; }
.panel { position: fixed; inset: 0; width: calc(100vw - 48px); max-width: 1360px; height: calc(100dvh - 48px); max-height: none; margin: auto; border-radius: 16\
px; overflow: hidden; box-shadow: 0 24px 64px -12px #0007; }
.panel[open] { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 320px; }

.head { grid-column: 1 / -1; display: flex; align-items: center; gap: 12px; min-height: 60px; padding: 8px 12px 8px 24px; border-bottom: 1px solid var(--line); \
}
.head h2 { font: 400 23px/1.3 var(--serif); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; flex: 1; min-width: 0; max-height: 44px; overflow: hidden; margin-left: 12px; list-style: none; }
.legend li { display: inline-flex; align-items: center; gap: 7px; color: var(--ink-2); font-size: 13px; white-space: nowrap; }
.dot { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--who); }

.button { display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 38px; padding: 0 14px; border: 1px solid var(--line-strong);\
 border-radius: 10px; background: var(--surface); font-weight: 550; white-space: nowrap; }
.button:hover:not(:disabled) { background: var(--hover); }
.button.primary { border-color: transparent; background: var(--primary); color: var(--on-primary); }
.button.primary:hover:not(:disabled) { background: var(--primary); opacity: 0.88; }
.icon-button { display: inline-grid; place-items: center; flex: none; width: 40px; height: 40px; padding: 0; border: 0; border-radius: 10px; background: none; c\
olor: var(--ink-2); }
.icon-button:hover:not(:disabled) { background: var(--hover); color: var(--ink); }
.play { border-radius: 50%; background: var(--primary); color: var(--on-primary); }
.play:hover:not(:disabled) { background: var(--primary); color: var(--on-primary); opacity: 0.88; }

.stage { position: relative; min-height: 0; overflow: auto; padding: 28px clamp(16px, 5vw, 72px) 48px; background: var(--page); }
.stage:focus-visible { outline-offset: -3px; }
.caption { max-width: 760px; margin: 0 auto 14px; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; }
.caption b { color: var(--ink); font-weight: 600; }
.came { color: var(--came); }
.went { color: var(--went); }
.sheet { max-width: 760px; min-height: 160px; margin: 0 auto; padding: clamp(18px, 4vw, 44px); border: 1px solid var(--line); border-radius: 12px; background: v\
ar(--surface); font-size: 16px; line-height: 1.75; overflow-wrap: anywhere; }
.sheet:empty::before { content: attr(data-empty); color: var(--ink-2); }
.sheet > .block { content-visibility: auto; contain-intrinsic-size: auto 1.75em; }
.sheet.is-text .block { white-space: pre-wrap; }
.sheet p, .sheet pre, .sheet ul, .sheet ol, .sheet blockquote, .sheet h1, .sheet h2, .sheet h3, .sheet h4, .sheet h5, .sheet h6 { margin: 0 0 0.6em; }
.sheet h1, .sheet h2, .sheet h3 { font: 400 1.7em/1.25 var(--serif); }
.sheet h2 { font-size: 1.4em; }
.sheet h3 { font-size: 1.2em; }
.sheet ul, .sheet ol { padding-inline-start: 1.5em; }
.sheet li > p { margin: 0; }
.sheet blockquote { padding-inline-start: 1em; border-inline-start: 3px solid var(--line-strong); }
.sheet pre { padding: 0.8em 1em; border-radius: 8px; background: var(--page); font: 0.88em/1.6 var(--mono); white-space: pre-wrap; }
.sheet td, .sheet th { padding: 4px 8px; border: 1px solid var(--line-strong); text-align: start; vertical-align: top; }
.labelled { padding: 6px 10px; border: 1px dashed var(--line-strong); border-radius: 8px; }
.labelled::before { content: attr(data-label); display: block; color: var(--ink-2); font-size: 12px; }
.object { padding: 1px 6px; border: 1px dashed var(--line-strong); border-radius: 6px; color: var(--ink-2); font-size: 0.85em; }
.bold { font-weight: 680; }
.italic { font-style: italic; }
.code { font-family: var(--mono); font-size: 0.9em; }
.underline { text-decoration: underline; }
.strike { text-decoration: line-through; }
ins, del { text-decoration: none; border-radius: 3px; }

.sheet:not(.is-compared) .run { background: color-mix(in srgb, var(--who) 11%, transparent); box-shadow: inset 0 -2px color-mix(in srgb, var(--who) 62%, transpa\
rent); }
.sheet:not(.is-compared) .run.new { background: color-mix(in srgb, var(--who) 42%, transparent); }
.is-compared ins.run { background: color-mix(in srgb, var(--came) 20%, transparent); text-decoration: underline 2px color-mix(in srgb, var(--came) 70%, transpar\
ent); text-underline-offset: 3px; }
.is-compared del.run { background: color-mix(in srgb, var(--went) 16%, transparent); color: var(--went); text-decoration: line-through; }
.is-compared .run.changed, .is-compared .block.changed { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.is-compared .block.after { box-shadow: -6px 0 var(--surface), -9px 0 var(--came); }
.is-compared .block.before { box-shadow: -6px 0 var(--surface), -9px 0 var(--went); }

.is-compared .block:is(.after, .before) .block { box-shadow: none; }

.list { display: flex; flex-direction: column; min-height: 0; border-left: 1px solid var(--line); }
.rows { flex: 1; overflow: auto; padding: 8px; list-style: none; }
.rows h3 { padding: 14px 12px 6px; color: var(--ink-2); font-size: 12px; font-weight: 600; }
.row { display: flex; align-items: center; border-radius: 10px; }
.row:hover { background: var(--hover); }
.row.is-current { background: var(--hover); box-shadow: inset 3px 0 var(--accent); }
.go { flex: 1; min-width: 0; padding: 9px 12px; border: 0; border-radius: 10px; background: none; text-align: start; }
.row-title { display: flex; align-items: center; gap: 8px; font-weight: 550; font-variant-numeric: tabular-nums; }
.row-title .icon { width: 16px; height: 16px; color: var(--accent); }
.row-label { overflow: hidden; text-overflow: ellipsis; }
.row-people { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; margin-top: 3px; color: var(--ink-2); font-size: 12.5px; }
.row-people span { display: inline-flex; align-items: center; gap: 5px; }
.row-people .dot { width: 8px; height: 8px; }
.note { padding: 16px 20px; color: var(--ink-2); }

.foot { grid-column: 1 / -1; display: flex; align-items: center; gap: 8px 16px; padding: 12px 16px; border-top: 1px solid var(--line); }
.player { display: flex; align-items: center; gap: 4px; flex: 1; min-width: 0; }
.track { position: relative; flex: 1; min-width: 0; margin: 0 8px; }
.strip { position: absolute; inset-inline: 9px; top: 50%; height: 8px; margin-top: -4px; border-radius: 4px; background: var(--line-strong); }
.pin { position: absolute; top: -13px; width: 10px; height: 12px; margin-left: -5px; background: var(--accent); clip-path: polygon(0 0, 100% 0, 100% 60%, 50% 10\
0%, 0 60%); }
.slider { position: relative; display: block; width: 100%; height: 40px; margin: 0; background: none; appearance: none; cursor: pointer; }
.slider::-webkit-slider-runnable-track { height: 8px; background: none; }
.slider::-moz-range-track { height: 8px; background: none; }
.slider::-webkit-slider-thumb { appearance: none; width: 18px; height: 26px; margin-top: -9px; border: 3px solid var(--surface); border-radius: 9px; background:\
 var(--primary); box-shadow: 0 1px 4px #0006; }
.slider::-moz-range-thumb { width: 12px; height: 20px; border: 3px solid var(--surface); border-radius: 9px; background: var(--primary); box-shadow: 0 1px 4px #\
0006; }
.steps { flex: none; min-width: 9ch; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; text-align: end; white-space: nowrap; }
.actions { display: flex; align-items: center; gap: 8px; }
.compare { display: inline-flex; align-items: center; gap: 8px; min-height: 38px; padding-inline-start: 12px; border: 1px solid var(--line-strong); border-radiu\
s: 10px; color: var(--ink-2); }
.compare:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
.compare select { max-width: 170px; min-height: 36px; padding-inline: 2px 8px; border: 0; border-radius: 10px; background: var(--surface); outline: none; }

.skeleton { max-width: 760px; margin: 0 auto; padding: 44px; }
.skeleton i { display: block; height: 14px; margin: 0 0 18px; border-radius: 7px; background: var(--line); animation: breathe 1.4s ease-in-out infinite; }
.skeleton i:nth-child(2n) { width: 82%; }
.skeleton i:nth-child(3n) { width: 64%; }
@keyframes breathe { 50% { opacity: 0.45; } }
@media (prefers-reduced-motion: reduce) { .skeleton i { animation: none; } }
.card { max-width: 460px; margin: 10vh auto; text-align: center; }
.card p { margin: 8px 0 20px; color: var(--ink-2); }

.ask { width: min(440px, calc(100vw - 32px)); padding: 24px; border-radius: 16px; box-shadow: 0 24px 64px -12px #0009; }
.ask h2 { font: 400 21px/1.3 var(--serif); }
.ask p { margin-top: 10px; color: var(--ink-2); }
.ask .error { color: var(--went); }
.ask label { display: block; margin-top: 16px; font-weight: 550; }
.ask input { width: 100%; min-height: 42px; margin-top: 6px; padding: 0 12px; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--page)\
; }
.ask-actions { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 8px; margin-top: 22px; }
.ask-actions .quiet { margin-inline-end: auto; border-color: transparent; background: none; color: var(--went); }

.list-button { display: none; }
@media (max-width: 899px) {
  .panel { width: 100vw; height: 100dvh; border-radius: 0; }
  .panel[open] { grid-template-columns: minmax(0, 1fr); }
  .head { padding-inline-start: 16px; min-height: 56px; }
  .legend { flex-wrap: nowrap; overflow-x: auto; margin-left: 4px; scrollbar-width: none; }
  .list-button { display: inline-flex; }
  .stage { grid-area: 2 / 1; }
  .list { grid-area: 2 / 1; justify-self: end; z-index: 1; width: min(340px, 88vw); background: var(--surface); box-shadow: -12px 0 32px -16px #0008; }
  .list:not(.is-open) { display: none; }
  .foot { flex-direction: column; align-items: stretch; padding: 8px 12px max(10px, env(safe-area-inset-bottom)); }
  .actions { flex-wrap: wrap; }
  .actions .button { flex: 1; padding: 0 10px; }
  .compare { flex: 1 1 100%; }
  .compare select { flex: 1; max-width: none; }
  .stage { padding: 16px 12px 32px; }
  .sheet { padding: 18px; }
  .steps { min-width: 0; font-size: 12px; }
}
`;var ge=/[\ud800-\udfff]/g;var A=class{count;authors;root;isXml;head;inserted;deleted;by;#e;#n=new Map;#t;#s;#r;constructor({seq:e,kind:t,authors:n,edits:i,units:s,nodes:a,pairs:c=[]}){let{
length:o}=s.text;this.head=e,this.count=i.count,this.authors=n,this.#e=this.#c(s.text,c),this.isXml=t==="xml",this.inserted=R(s.inserted,new Uint32Array(o)),this.
deleted=R(s.deleted,new Uint32Array(o)),this.by=R(s.by,new Uint32Array(o)),this.#t=R(i.seq,new Float64Array(i.count)),this.#r=R(i.by,new Uint32Array(i.count));let l=0;
this.#s=Float64Array.from(i.at,h=>l+=h),this.root=xe(a,o,this.isXml)}textOf(e,t,n){let i=this.#e.slice(e,t);return this.#n.size===0?i:i.replace(ge,(s,a)=>(this.#n.
get(e+a)??1/0)>n?s:"\uFFFD")}codeAt(e){return this.#e.charCodeAt(e)}#c(e,t){let n=[],i=0,s=t.flatMap(([a,c,o,l])=>{let h=String.fromCodePoint(o);return[{unit:a,
half:h[0],until:l},{unit:c,half:h[1],until:l}]});for(let{unit:a,half:c,until:o}of s.sort((l,h)=>l.unit-h.unit))this.#n.set(a,o),n.push(e.slice(i,a),c),i=a+1;return n.
length>0?n.join("")+e.slice(i):e}seqOf(e){return this.#t[e-1]??0}timeOf(e){return this.#s[Math.max(e,1)-1]??0}editorOf(e){return this.authors[this.#r[e-1]??-1]}editAt(e){
let[t,n]=[0,this.count];for(;t<n;){let i=t+n>>1;this.#t[i]<=e?t=i+1:n=i}return t}isThere(e,t){let n=this.deleted[e];return this.inserted[e]<=t&&(n===0||n>t)}attributesOf(e,t){
return Object.fromEntries(e.attributes.filter(({unit:n})=>this.isThere(n,t)).map(({key:n,value:i})=>[n,i]))}};function R(r,e){let t=0;for(let n=0;n<r.length;n+=
3){let i=r[n],s=r[n+1];for(let a=r[n+2];a>0;a--,i+=s)e[t++]=i}return e}function xe(r,e,t){let n=Z(null,t?"":null,e),i=[n],s=0,a=o=>{o>s&&i.at(-1).parts.push({kind:"\
units",from:s,to:o}),s=Math.max(s,o)},c=o=>{for(;i.length>1&&i.at(-1).end<=o;)a(i.at(-1).end),i.pop()};for(let o of r){c(o.at),a(o.at);let l=i.at(-1);if(s=o.at+
1,o.kind==="attribute")l.attributes.push({unit:o.at,key:o.key,value:o.value});else if(o.kind==="mark")l.parts.push({kind:"mark",unit:o.at,key:o.key,value:o.value});else if(o.
kind==="embed")l.parts.push({kind:"embed",unit:o.at,value:o.value});else{let h=Z(o.at,o.kind==="element"?o.name:null,o.end);l.parts.push(h),i.push(h)}}return c(
e),a(e),n}var Z=(r,e,t)=>({kind:"type",unit:r,name:e,end:t,attributes:[],parts:[]});var ye=1e3,we=240,ve=3e4,ke=90,ee=["#b4472e","#a8650f","#64762a","#2d7d53","#1f7a80","#2f6fb0","#5e5fc0","#8a4fae","#b03f86","#b93c5d"],te=12;function Me(r){return new _(
r)}var _=class{#e;#n=d("div",{"data-testid":"history"});#t;#s;#r=d("div",{class:"stage",tabindex:0,role:"region","aria-label":"The document as it was"});#c=d("p",
{class:"caption","data-testid":"history-caption"});#l=d("div",{class:"sheet","data-testid":"history-document","data-empty":"Nothing was written yet."});#v=new C(
this.#l);#b=d("ul",{class:"legend","aria-label":"Authors"});#P=d("ol",{class:"rows","data-testid":"history-rows"});#k=d("section",{class:"list",id:"list","aria-\
label":"Versions and sessions"},this.#P);#E=this.#a({class:"button list-button","aria-controls":"list","aria-expanded":"false",onclick:()=>this.#_()},x("flag"),
"Versions");#g=this.#a({class:"icon-button play","data-testid":"history-play","aria-label":"Play",title:"Play",onclick:()=>this.#h(!this.#p)},x("play"));#C=this.#a(
{class:"icon-button","aria-label":"One step back",title:"One step back",onclick:()=>this.#y(this.#o-1)},x("back"));#$=this.#a({class:"icon-button","aria-label":"\
One step forward",title:"One step forward",onclick:()=>this.#y(this.#o+1)},x("forth"));#d=d("input",{class:"slider",type:"range",min:0,max:0,step:1,"aria-label":"\
Moment","data-testid":"history-slider",oninput:()=>this.#y(Number(this.#d.value))});#M=d("div",{class:"strip","aria-hidden":"true"});#L=d("span",{class:"steps",
"data-testid":"history-steps"});#m=d("select",{"aria-label":"Compare with","data-testid":"history-compare",onchange:()=>this.#w(!1)});#B=this.#a({class:"button",
"data-testid":"history-name-version",onclick:()=>this.#K()},x("flag"),"Name");#H=this.#a({class:"button primary","data-testid":"history-restore",onclick:()=>this.#G()},
x("restore"),"Restore");#x;#i=null;#j=[];#O=[];#T=[];#o=0;#p=!1;#I=0;#f=!1;constructor(e){this.#e=e,this.#t=this.#n.attachShadow({mode:"open"});let t=new CSSStyleSheet;
t.replaceSync(Q),this.#t.adoptedStyleSheets=[t];let n=d("div",{class:"player"},this.#g,this.#C,d("div",{class:"track"},this.#M,this.#d),this.#$,this.#L),i=d("la\
bel",{class:"compare",title:"Compare with"},x("compare"),this.#m);this.#x=d("div",{class:"foot",hidden:!0},n,d("div",{class:"actions"},i,this.#S&&this.#B,this.#S&&
this.#H)),this.#s=d("dialog",{class:"panel","aria-labelledby":"title",onclose:()=>this.#z(),onkeydown:s=>this.#F(s)},d("div",{class:"head"},d("h2",{id:"title"},
"History"),this.#b,this.#E,this.#a({class:"icon-button","aria-label":"Close",title:"Close","data-testid":"history-close",onclick:()=>this.close()},x("close"))),
this.#r,this.#k,this.#x),this.#l.addEventListener("pointerover",({target:s})=>this.#W(s)),this.#t.append(this.#s),document.body.append(this.#n),this.#s.showModal(),
this.#q()}close(){this.#s.close()}get#S(){return this.#e.mayWrite??(this.#e.room.access==="write"||this.#e.room.access==="admin")}#a(e,...t){return d("button",{
type:"button",...e},...t)}#z(){this.#f=!0,this.#h(!1),this.#n.remove(),this.#e.onClose?.()}#F(e){e.key!==" "||e.composedPath()[0]!==this.#d||(e.preventDefault(),
this.#h(!this.#p))}async#q(){let{room:{past:e},root:t}=this.#e;this.#r.replaceChildren(d("div",{class:"skeleton",role:"status","aria-label":"Loading the history"},
...Array.from({length:6},()=>d("i"))));let n=Promise.all([e.activity({limit:ye}),e.versions()]);n.catch(()=>{});try{let i=await e.replay({root:t});if(this.#f)return;
this.#V(new A(i));let[{sessions:s},a]=await n;if(this.#f)return;this.#j=s,this.#O=a,this.#A()}catch(i){this.#f||this.#D(i)}}#D({code:e,message:t}){this.#x.hidden=
!0;let n=(i,s,...a)=>{this.#r.replaceChildren(d("div",{class:"card",role:"alert"},d("h2",{},i),d("p",{},s),...a))};e==="room_not_found"||e==="root_not_found"?n(
"No history yet","It begins with the first word that is written."):e==="too_costly"?n("This history is too long to be shown",t):n("The history cannot be shown n\
ow",t,this.#a({class:"button primary",onclick:()=>{this.#q()}},"Try again"))}#V(e){this.#i=e,this.#U(e),this.#l.classList.toggle("is-text",!e.isXml),this.#r.replaceChildren(
this.#c,this.#l),this.#d.max=String(e.count),this.#x.hidden=!1,this.#A(),this.#R(e.count,!1),this.#d.focus()}#U(e){let t=e.authors.map(c=>this.#u(c)),n=new CSSStyleSheet;
n.replaceSync(t.map(({colour:c},o)=>`.by-${o} { --who: ${c}; }`).join(`
`)),this.#t.adoptedStyleSheets=[this.#t.adoptedStyleSheets[0],n];let i=t.length-te;this.#b.replaceChildren(...t.slice(0,te).map(({name:c},o)=>d("li",{},d("span",
{class:`dot by-${o}`}),c)),...i>0?[d("li",{},`+${i}`)]:[]);let s=G(e,we),a=s.map((c,o)=>`${t[c]?.colour} ${o/s.length*100}% ${(o+1)/s.length*100}%`);a.length>0&&
(this.#M.style.background=`linear-gradient(to right, ${a.join(", ")})`)}#u(e){let{name:t,colour:n}=this.#e.personOf?.(e)??{name:e,colour:""},i=0;for(let s of e)
i=i*31+s.codePointAt(0)>>>0;return{name:t,colour:/^#[0-9a-f]{6}$/i.test(n)?n:ee[i%ee.length]}}#y(e){this.#h(!1),this.#R(e)}#R(e,t=!0){let{count:n}=this.#i,i=this.#o;
if(this.#o=Math.min(Math.max(e,0),n),this.#d.value=String(this.#o),cancelAnimationFrame(this.#I),this.#p)return this.#w(t);this.#I=requestAnimationFrame(()=>this.#w(
t&&Math.abs(this.#o-i)<=1))}#w(e){let t=this.#i,[n,{count:i}]=[this.#o,t],s=this.#m.value===""?null:Number(this.#m.value),[a,c]=s===null?[null,n]:[Math.min(s,n),
Math.max(s,n)],o=j(t,c,a);this.#l.classList.toggle("is-compared",a!==null);let l=this.#v.show(o.length===1&&o[0].children.length===0?[]:o);e&&l?.scrollIntoView(
{block:"nearest"});let h=n===0?"Before the first word":M(t.timeOf(n)),u=n>0?this.#u(t.editorOf(n)).name:"",p=`${O(n)} of ${O(i)}`;this.#d.setAttribute("aria-val\
uetext",[h,u,`step ${p}`].filter(Boolean).join(", ")),this.#L.textContent=p.replace(" of "," / "),this.#c.replaceChildren(...a===null?[d("b",{},h),u&&` \xB7 ${u}`,
n===i?" \xB7 now":""]:this.#X(o,a,c)),this.#C.disabled=n===0,this.#$.disabled=n===i,this.#H.disabled=n===i,this.#B.disabled=n===0;for(let{row:m,element:w}of this.#T)
w.classList.toggle("is-current",m.edit===n),m.edit===n?w.firstElementChild.setAttribute("aria-current","true"):w.firstElementChild.removeAttribute("aria-current")}#X(e,t,n){
let i={after:0,before:0,both:0},s=o=>{for(let l of o.children)v(l)?l.object||(i[l.presence]+=l.text.length):s(l)};e.forEach(s);let a=o=>o===0?"the beginning":o===
this.#i.count?"now":M(this.#i.timeOf(o)),c=[i.after>0&&d("span",{class:"came"},`+${S(i.after)}`),i.before>0&&d("span",{class:"went"},`\u2212${S(i.before)}`)];return[
d("b",{},`From ${a(t)} to ${a(n)}`),...c.filter(o=>o!==!1).flatMap(o=>[" \xB7 ",o])]}#W(e){let t=e.dataset?.unit;if(t===void 0||e.title)return;let{inserted:n,deleted:i,
by:s,authors:a}=this.#i,c=this.#i,o=[`${this.#u(a[s[Number(t)]]).name}, ${M(c.timeOf(n[Number(t)]))}`],l=i[Number(t)];e.tagName==="DEL"&&l>0&&o.push(`deleted by\
 ${this.#u(c.editorOf(l)).name}, ${M(c.timeOf(l))}`),e.title=o.join(`
`)}#h(e){if(this.#p===e)return;this.#p=e;let t=e?"Pause":"Play";if(this.#g.replaceChildren(x(e?"pause":"play")),this.#g.setAttribute("aria-label",t),this.#g.title=
t,!e)return;let{count:n}=this.#i,i=this.#o===n?0:this.#o,s=Math.min(ke,ve/n),a=performance.now(),c=o=>{if(!this.#p)return;let l=Math.min(i+Math.max(Math.floor((o-
a)/s),0),n);if(l!==this.#o&&this.#R(l),l===n)return this.#h(!1);requestAnimationFrame(c)};requestAnimationFrame(c)}#_(e=!this.#k.classList.contains("is-open")){
this.#k.classList.toggle("is-open",e),this.#E.setAttribute("aria-expanded",String(e))}#A(){let e=this.#i,t=Y(e,this.#j,this.#O);this.#T=t.map(o=>({row:o,element:this.#J(
o)}));let n=[],i="";for(let{row:o,element:l}of this.#T){let h=E(o.toMs);h!==i&&n.push(d("li",{},d("h3",{},h))),i=h,n.push(l)}this.#P.replaceChildren(...n);let s=(o,l)=>d(
"option",{value:o,selected:String(o)===this.#m.value},l),a=t.map(o=>s(o.edit,o.label??`${E(o.toMs)}, ${q(o.fromMs,o.toMs)}`));this.#m.replaceChildren(s("","Comp\
are\u2026"),s(e.count,"Now"),s(0,"The beginning"),...a);let c=t.filter(({kind:o})=>o==="version").map(({edit:o,label:l})=>{let h=d("span",{class:"pin",title:l});
return h.style.left=`${o/Math.max(e.count,1)*100}%`,h});this.#M.replaceChildren(...c),this.#w(!1)}#J(e){let{kind:t,edit:n,fromMs:i,toMs:s,users:a,label:c,inserted:o,
deleted:l}=e,h=new Map(this.#i.authors.map((f,b)=>[f,b])),u=a.slice(0,4).map(f=>d("span",{},d("span",{class:`dot by-${h.get(f)??""}`,"--who":this.#u(f).colour}),
this.#u(f).name)),p=t==="version"?[x("flag"),d("span",{class:"row-label"},c)]:[q(i,s)],m=[o>0&&d("span",{class:"came"},`+${O(o)}`),l>0&&d("span",{class:"went"},
`\u2212${O(l)}`)],w=this.#a({class:"go","data-testid":"history-row","data-kind":t,onclick:()=>{this.#y(n),this.#_(!1)}},d("span",{class:"row-title"},...p),d("sp\
an",{class:"row-people"},t==="version"?M(s):"",...u,...m)),y=t==="version"&&this.#S&&this.#a({class:"icon-button","aria-label":`Rename ${c}`,title:"Rename",onclick:()=>{
this.#Y(e)}},x("pen"));return d("li",{class:"row"},w,y)}async#N(){this.#O=await this.#e.room.past.versions(),this.#A()}async#K(){let{past:e}=this.#e.room;this.#h(
!1);let[t,n]=[this.#i,this.#o];await P(this.#t,{title:"Name this version",text:`The document as it was on ${I(t.timeOf(n))}.`,name:"",confirm:"Name it",act:async i=>{
await e.nameVersion({seq:t.seqOf(n),label:i}),await this.#N()}})}async#Y({seq:e,label:t}){let{past:n}=this.#e.room,i={seq:e,label:t};await P(this.#t,{title:"Ren\
ame this version",name:t,confirm:"Rename",act:async s=>{s!==t&&await n.changeVersion(i,{label:s}),await this.#N()},other:{label:"Remove the name",act:async()=>{
await n.removeVersion(i),await this.#N()}}})}async#G(){let{past:e}=this.#e.room;this.#h(!1);let[t,n]=[this.#i,this.#o],i=t.seqOf(n),s=`history-${Date.now().toString(
36)}-${Math.random().toString(36).slice(2)}`,a=null;await P(this.#t,{title:"Restore this version?",text:`Everybody will see the document as it was ${n===0?"befo\
re the first word":`on ${I(t.timeOf(n))}`}. What it is now stays in the history, so you can come back to it.`,note:e.restore(i,{dryRun:!0}).then(({inserted:c,deleted:o})=>`${S(
c)} will come back, ${S(o)} will go.`),confirm:"Restore",act:async()=>{a=await e.restore(i,{key:s})}}),!(!a||this.#f)&&(this.close(),this.#e.onRestored?.(a))}};export{A as Timeline,j as blocksOf,Me as openHistory,se as plainTextOf};
